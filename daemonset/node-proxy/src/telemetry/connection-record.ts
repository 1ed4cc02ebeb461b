/**
 * What is known about one connection in; one access-log line and its counters out, exactly once.
 *
 * Created by the first step of paths 1 and 2 (`outbound/listener.ts`, `inbound/listener.ts`, `inbound/passthrough.ts`),
 * filled while the connection is routed, completed after the copy. Runs on a data thread from accept to close.
 * Keys and labels: spec/node-proxy.md 9.1 and 9.3.
 */
import { traceIdOf } from '@ambit/hbone';
import type { Logger } from '@ambit/runtime/log';
import { unquoted } from '@ambit/runtime/log-format';
import type { Flow, FlowBuffer, FlowEnd } from '@ambit/xds/flow-buffer';
import { errorText, responseFlagOf } from './response-flags.ts';
import type { TrafficMetrics, TrafficSeries } from './traffic-metrics.ts';

/** One end of a connection as telemetry sees it. Absent values are omitted from the log and `unknown` in metrics. */
export interface ConnectionParty {
  readonly workload?: string;
  /** Name of the workload instance (pod) for the log; falls back to `canonicalService`. */
  readonly instance?: string;
  readonly namespace?: string;
  readonly canonicalService?: string;
  readonly canonicalRevision?: string;
  readonly app?: string;
  readonly version?: string;
  readonly cluster?: string;
  readonly region?: string;
  readonly zone?: string;
  /** SPIFFE URI, only where it was authenticated (or is the record's own, for destinations). */
  readonly principal?: string;
}

/** The service that was addressed. */
export interface ConnectionService {
  readonly hostname: string;
  readonly namespace: string;
  readonly name: string;
}

/** Everything known once routing is done. */
export interface ConnectionFacts {
  readonly reporter: 'source' | 'destination';
  readonly sourceAddress: string;
  readonly destinationAddress: string;
  readonly hboneAuthority?: string;
  /** As sent or received with the CONNECT. */
  readonly traceparent?: string | undefined;
  readonly service?: ConnectionService;
  readonly source?: ConnectionParty;
  readonly destination?: ConnectionParty;
  readonly mutualTls: boolean;
}

/** Where records go. One per data thread. */
export interface ConnectionSink {
  /** The logger of scope `access`. */
  readonly log: Logger;
  readonly metrics: TrafficMetrics;
  /** What somebody watches right now. */
  readonly flows: FlowBuffer;
}

/** One connection under observation. `complete` and `bytes` may be called in any order; only the first completion counts. */
export interface ConnectionRecord {
  /** Adds transferred bytes while the connection lives: client to server, server to client. */
  bytes(clientToServer: number, serverToClient: number): void;
  /** Ends the record: one log line, the `closed` (and `failed`) counters. Later calls do nothing. */
  complete(error?: unknown): void;
}

/** Opens the record: counts the connection as opened and writes the debug line. */
export function openRecord(
  sink: ConnectionSink,
  facts: ConnectionFacts,
  nowMs: () => number = monotonicMs,
): ConnectionRecord {
  const startedMs = nowMs();
  const series = sink.metrics.series(facts);
  series.opened += 1;
  series.live += 1;
  const log = sink.log;
  if (log.isEnabled('debug')) log.debug('connection opened', openedFields(facts));
  let sent = 0;
  let received = 0;
  let done = false;
  return {
    bytes(clientToServer, serverToClient) {
      received += clientToServer;
      sent += serverToClient;
      series.received += clientToServer;
      series.sent += serverToClient;
    },
    complete(error) {
      if (done) return;
      done = true;
      series.live -= 1;
      countEnd(sink.metrics, facts, series, error);
      if (sink.flows.isWanted)
        sink.flows.add(() => flowOf(facts, { sent, received, durationMs: nowMs() - startedMs, error }));
      const level = error === undefined ? 'info' : 'error';
      if (!log.isEnabled(level)) return;
      log[level](
        'connection complete',
        completeFields(facts, { sent, received, durationMs: nowMs() - startedMs, error }),
      );
    },
  };
}

/** Logs a connection that failed before it could be routed: one warn line, no metrics (spec/node-proxy.md 3.1). */
export function earlyDenial(
  sink: ConnectionSink,
  facts: { sourceAddress: string; destinationAddress: string; direction: 'inbound' | 'outbound'; error: unknown },
): void {
  sink.log.warn('connection failed', {
    'src.addr': unquoted(facts.sourceAddress),
    'dst.addr': unquoted(facts.destinationAddress),
    direction: facts.direction,
    error: errorText(facts.error),
  });
  if (!sink.flows.isWanted) return;
  sink.flows.add(() => ({
    endedUnixMs: Date.now(),
    durationMs: 0,
    direction: facts.direction,
    source: { address: facts.sourceAddress },
    destination: { address: facts.destinationAddress },
    mutualTls: false,
    bytesSent: 0,
    bytesReceived: 0,
    error: errorText(facts.error),
    responseFlags: responseFlagOf(facts.error),
  }));
}

function countEnd(metrics: TrafficMetrics, facts: ConnectionFacts, series: TrafficSeries, error: unknown): void {
  const flag = responseFlagOf(error);
  if (flag === '-') {
    series.closed += 1;
    return;
  }
  const failed = metrics.series(facts, flag);
  failed.closed += 1;
  failed.failed += 1;
}

const endOf = (address: string, party: ConnectionParty | undefined, isProven: boolean): FlowEnd => ({
  address,
  workload: shown(party?.workload ?? party?.canonicalService),
  namespace: shown(party?.namespace),
  identity: isProven ? shown(party?.principal) : undefined,
  cluster: shown(party?.cluster),
});

/** The same facts for who watches (`ambit tap`). */
function flowOf(
  facts: ConnectionFacts,
  end: { sent: number; received: number; durationMs: number; error: unknown },
): Flow {
  return {
    connectionId: traceIdOf(facts.traceparent),
    authority: facts.hboneAuthority,
    endedUnixMs: Date.now(),
    durationMs: end.durationMs,
    direction: facts.reporter === 'source' ? 'outbound' : 'inbound',
    source: endOf(facts.sourceAddress, facts.source, facts.mutualTls),
    destination: endOf(facts.destinationAddress, facts.destination, facts.mutualTls),
    service: facts.service?.hostname,
    serviceNamespace: facts.service?.namespace,
    mutualTls: facts.mutualTls,
    bytesSent: end.received,
    bytesReceived: end.sent,
    error: end.error === undefined ? undefined : errorText(end.error),
    responseFlags: responseFlagOf(end.error),
  };
}

/** In the order of the line; the logger leaves out what is undefined. */
function openedFields(facts: ConnectionFacts): Record<string, unknown> {
  const source = facts.source;
  const destination = facts.destination;
  return {
    'src.addr': unquoted(facts.sourceAddress),
    'src.workload': shown(source?.instance ?? source?.canonicalService),
    'src.namespace': shown(source?.namespace),
    'src.identity': facts.mutualTls ? shown(source?.principal) : undefined,
    'src.cluster': shown(source?.cluster),
    'dst.addr': unquoted(facts.destinationAddress),
    'dst.hbone_addr': facts.hboneAuthority === undefined ? undefined : unquoted(facts.hboneAuthority),
    'dst.service': shown(facts.service?.hostname),
    'dst.workload': shown(destination?.instance ?? destination?.canonicalService),
    'dst.namespace': shown(destination?.namespace),
    'dst.identity': facts.mutualTls ? shown(destination?.principal) : undefined,
    'dst.cluster': shown(destination?.cluster),
    direction: facts.reporter === 'source' ? 'outbound' : 'inbound',
  };
}

function completeFields(
  facts: ConnectionFacts,
  end: { sent: number; received: number; durationMs: number; error: unknown },
): Record<string, unknown> {
  // Bytes are told from the proxied application's point of view, metrics are not (spec/node-proxy.md 9.3).
  const outbound = facts.reporter === 'source';
  const fields = openedFields(facts);
  fields['bytes_sent'] = outbound ? end.received : end.sent;
  fields['bytes_recv'] = outbound ? end.sent : end.received;
  fields['duration'] = `${Math.round(end.durationMs)}ms`;
  if (end.error !== undefined) fields['error'] = errorText(end.error);
  return fields;
}

function shown(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function monotonicMs(): number {
  return performance.now();
}
