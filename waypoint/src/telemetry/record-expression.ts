/**
 * CEL over a request that ended (spec/waypoint.md 7.5): filters of access logs, values of metric labels. In: an expression. Out: a
 * function of the record. Compiled per configuration; data thread.
 *
 * Attributes are those that a record holds; what is absent makes the expression fail, and a failed one has no value, as
 * upstream has it. Patterns of `matches` run on the linear engine of @ambit/l7.
 */
import { celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { compileRegex } from '@ambit/l7';
import { clusterName, upstreamHost } from './access-log.ts';
import { flagsText } from './metrics.ts';
import type { RequestRecord } from './request-record.ts';

/** The value of an expression; undefined when it fails. */
export type RecordExpression = (record: RequestRecord) => unknown;

/** Longest expression that is compiled. */
const maxLength = 4096;

const names = ['request', 'response', 'source', 'destination', 'connection', 'upstream', 'xds'] as const;
/** Somewhere in the text, where the engine of routes matches the whole of it. */
const matcherOf = (pattern: string) => ({ test: compileRegex(`(?s:.*)(?:${pattern})(?s:.*)`) });
const env = celEnv({ re2: { compile: matcherOf } });

/** Compiles an expression; undefined when it cannot be read. */
export const compileRecordExpression = (text: string): RecordExpression | undefined => {
  if (text.length > maxLength) return undefined;
  try {
    const run = plan(env, parse(text)) as (bindings: Readonly<Record<string, unknown>>) => unknown;
    // Only what the expression names is built.
    const used = names.filter((name) => text.includes(name));
    return (record) => {
      try {
        const value = run(Object.fromEntries(used.map((name) => [name, attributes[name](record)])));
        return isCelError(value) ? undefined : value;
      } catch {
        return undefined;
      }
    };
  } catch {
    return undefined;
  }
};

const attributes: Readonly<Record<(typeof names)[number], (record: RequestRecord) => unknown>> = {
  request: (record) => {
    const { start } = record;
    const question = record.path.indexOf('?');
    const id = record.requestId === undefined ? {} : { id: record.requestId };
    const agent = start.userAgent === undefined ? {} : { useragent: start.userAgent };
    const referer = start.headers.get('referer');
    return {
      path: record.path,
      url_path: question === -1 ? record.path : record.path.slice(0, question),
      query: question === -1 ? '' : record.path.slice(question + 1),
      host: start.authority,
      method: start.method,
      scheme: start.headers.get('x-forwarded-proto') ?? 'http',
      protocol: start.protocol,
      headers: mapOf(start.headers),
      size: BigInt(record.requestBodyBytes),
      total_size: BigInt(record.requestBodyBytes + start.requestHeaderBytes),
      ...id,
      ...agent,
      ...(referer === undefined ? {} : { referer }),
    };
  },
  response: (record) => ({
    code: BigInt(record.status),
    code_details: record.details ?? '',
    flags: flagsText(record.flags),
    headers: record.responseHeaders === undefined ? new Map() : mapOf(record.responseHeaders),
    size: BigInt(record.responseBodyBytes),
    total_size: BigInt(record.responseBodyBytes + record.responseHeaderBytes),
    ...(record.grpcStatus === undefined ? {} : { grpc_status: BigInt(Number(record.grpcStatus) || 0) }),
  }),
  source: ({ start }) => ({ address: start.tunnel.clientAddress }),
  destination: ({ start }) => ({ address: start.tunnel.authority, port: BigInt(start.tunnel.frontend.port) }),
  connection: ({ start }) => {
    const { principal } = start.tunnel.peer;
    return {
      mtls: principal !== undefined,
      ...(principal === undefined ? {} : { uri_san_peer_certificate: principal }),
    };
  },
  upstream: (record) => ({
    address: upstreamHost(record) ?? '',
    cluster: clusterName(record) ?? '',
    request_attempt_count: BigInt(record.attempts),
    transport_failure_reason: record.transportFailure ?? '',
  }),
  xds: (record) => ({ route_name: record.routeName ?? '', cluster_name: clusterName(record) ?? '' }),
};

const mapOf = (headers: Iterable<readonly [string, string]> & { joined(name: string): string | undefined }) =>
  new Map([...headers].map(([name]) => [name, headers.joined(name) ?? '']));
