/**
 * One request as a span (spec/waypoint.md 7.4). In: a completed record and its trace. Out: plain data for the encoders.
 * Pure; data thread.
 */
import { clusterName } from '../telemetry/access-log.ts';
import { flagsText } from '../telemetry/metrics.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import type { Tracing } from './start.ts';

/** A finished span. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly tags: readonly (readonly [string, string])[];
  readonly isError: boolean;
}

/** What a request knows about its own span. */
export interface RequestTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly isSampled: boolean;
}

/** Longest path in a tag, unless the provider says otherwise. */
const defaultTagLength = 256;

/** Builds the span of a request. */
export const spanOf = (record: RequestRecord, trace: RequestTrace, tracing: Tracing): Span => {
  const { maxTagLength } = tracing.provider;
  const { start } = record;
  const { frontend, peer } = start.tunnel;
  const limit = maxTagLength || defaultTagLength;
  const cluster = clusterName(record);
  const tags: [string, string][] = [
    ['component', 'proxy'],
    ['http.method', start.method],
    ['http.url', `http://${start.authority}${record.path}`.slice(0, limit)],
    ['http.protocol', start.protocol],
    ['http.status_code', String(record.status)],
    ['request_size', String(record.requestBodyBytes)],
    ['response_size', String(record.responseBodyBytes)],
    ['response_flags', flagsText(record.flags)],
    ['peer.address', start.tunnel.sourceIp],
  ];
  const optional: readonly (readonly [string, string | undefined])[] = [
    ['user_agent', start.userAgent],
    ['guid:x-request-id', record.requestId],
    ['upstream_cluster', cluster],
    ['upstream_cluster.name', cluster],
    ['grpc.status_code', record.grpcStatus],
    ['istio.source_principal', peer.principal],
    ['istio.source_namespace', peer.namespace],
    ['istio.destination_workload', record.endpoint?.workload?.workloadName],
    ['istio.destination_namespace', record.endpoint?.workload?.namespace],
    ['istio.authorization.dry_run', record.explanation['dry_run']],
  ];
  for (const [name, value] of optional) {
    const isWanted = tracing.hasIstioTags || !name.startsWith('istio.');
    if (isWanted && value !== undefined && value !== '') tags.push([name, value]);
  }
  for (const [name, value] of tracing.tags(record)) tags.push([name, value.slice(0, limit)]);
  const isError = record.status >= 500 || record.status === 0 || isGrpcFailure(record.grpcStatus);
  if (isError) tags.push(['error', 'true']);
  const host = frontend.hostname === '' ? start.authority : frontend.hostname;
  return {
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentId: trace.parentId,
    name: `${host}:${frontend.port}/*`,
    startMs: record.startedAtMs,
    durationMs: record.durationMs,
    tags,
    isError,
  };
};

const isGrpcFailure = (status: string | undefined): boolean => status !== undefined && status !== '0';
