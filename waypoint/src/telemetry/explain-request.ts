/**
 * Why a request went where it went, as fields of a debug line. In: a completed record. Out: at most one line in scope `request`;
 * nothing is built while the level is off. Data thread.
 */
import type { Logger } from '@ambit/runtime/log';
import type { RequestRecord } from './request-record.ts';

/** Writes the line. */
export const explainRequest = (record: RequestRecord, log: Logger): void => {
  if (!log.isEnabled('debug')) return;
  const { start, backend, endpoint } = record;
  const meta = backend?.meta;
  log.debug('request', {
    request_id: record.requestId,
    method: start.method,
    path: record.path,
    authority: start.authority,
    source: start.tunnel.peer.principal,
    frontend: start.tunnel.frontend.key,
    port: start.tunnel.frontend.port,
    route: record.routeName,
    backend: backend?.hostname,
    backend_object: meta === undefined ? undefined : `${meta.kind}/${meta.namespace}/${meta.name}`,
    endpoint: endpoint === undefined ? undefined : `${endpoint.transport} ${endpoint.ip}:${endpoint.port}`,
    workload: endpoint?.workload?.uid,
    attempts: record.attempts,
    status: record.status,
    flags: [...record.flags].join(','),
    details: record.details,
    duration_ms: Math.round(record.durationMs),
    ...record.explanation,
  });
};
