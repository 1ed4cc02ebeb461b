/**
 * A completed request for who watches (`ambit tap`): the same facts as its access line, without query, headers and body.
 * Pure; data thread.
 */
import { traceIdOf } from '@ambit/hbone';
import { identityOf } from '@ambit/state';
import { type Flow, pathWithoutQuery } from '@ambit/xds/flow-buffer';
import { upstreamHost } from './access-log.ts';
import { flagsText, type Ends } from './metrics.ts';
import type { RequestRecord } from './request-record.ts';

const known = (value: string): string | undefined => (value === 'unknown' || value === '' ? undefined : value);

/** The flow of a request. */
export const flowOfRequest = (record: RequestRecord, { source, peer, destination, service }: Ends): Flow => {
  const { start, status } = record;
  return {
    id: record.trace?.traceId,
    connectionId: traceIdOf(start.tunnel.headers['traceparent']),
    authority: start.tunnel.authority,
    endedUnixMs: record.startedAtMs + record.durationMs,
    durationMs: record.durationMs,
    direction: 'waypoint',
    source: {
      address: start.tunnel.clientAddress,
      workload: known(source.workload),
      namespace: known(source.namespace),
      identity: peer.principal,
    },
    destination: {
      address: upstreamHost(record) ?? '',
      workload: destination?.workloadName,
      namespace: destination?.namespace ?? service?.namespace,
      identity: destination && identityOf(destination),
    },
    service: service?.hostname,
    serviceNamespace: service?.namespace,
    mutualTls: peer.principal !== undefined,
    bytesSent: record.requestBodyBytes,
    bytesReceived: record.responseBodyBytes,
    error: errorOf(record),
    responseFlags: flagsText(record.flags),
    http: {
      method: start.method,
      path: pathWithoutQuery(record.path),
      authority: start.authority,
      status,
      route: record.routeName,
    },
  };
};

/** Why it failed: the proxy's own reason, else what the answer says about itself. */
const errorOf = ({ flags, details, status }: RequestRecord): string | undefined => {
  if (flags.size > 0) return flagsText(flags);
  return status >= 500 || status === 403 ? details : undefined;
};
