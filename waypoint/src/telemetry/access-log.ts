/**
 * Istio's access log lines, text and JSON (spec/waypoint.md 7.3). In: a completed record. Out: one line.
 * Pure; data thread.
 */
import { addressText } from '../upstream/address-text.ts';
import type { RequestRecord } from './request-record.ts';
import { flagsText } from './metrics.ts';

/** How lines look. */
export type AccessLogEncoding = 'TEXT' | 'JSON';

/** Formats one request. */
export const formatAccessLog = (record: RequestRecord, encoding: AccessLogEncoding): string =>
  encoding === 'JSON' ? JSON.stringify(jsonFields(record)) : textLine(record);

const textLine = (record: RequestRecord): string => {
  const { start, requestId, details, terminationDetails, routeName } = record;
  const request = `${start.method} ${record.path} ${start.protocol}`;
  const serviceMs = record.upstreamServiceMs === undefined ? '-' : Math.round(record.upstreamServiceMs);
  const authority = start.authority === '' ? undefined : start.authority;
  return (
    `[${timeText(record.startedAtMs)}] ${quoted(request)} ${record.status} ${flagsText(record.flags)} ${details ?? '-'} ` +
    `${terminationDetails ?? '-'} ${quoted(record.transportFailure)} ${record.requestBodyBytes} ${record.responseBodyBytes} ` +
    `${Math.round(record.durationMs)} ${serviceMs} ${quoted(start.forwardedFor)} ${quoted(start.userAgent)} ` +
    `${quoted(requestId)} ${quoted(authority)} ${quoted(upstreamHost(record))} ${clusterName(record) ?? '-'} - ` +
    `${start.tunnel.authority} ${start.tunnel.clientAddress} - ${routeName || '-'}`
  );
};

let lastTimeMs = Number.NaN;
let lastTimeText = '';

/** RFC 3339; requests of one millisecond share the text. */
const timeText = (ms: number): string => {
  if (ms !== lastTimeMs) {
    lastTimeMs = ms;
    lastTimeText = new Date(ms).toISOString();
  }
  return lastTimeText;
};

const quoted = (value: string | undefined): string => `"${value === undefined ? '-' : printable(value)}"`;

/** Quotes and control characters of peers cannot forge a line. */
export const printable = (value: string): string => {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code < 0x20 || code === 0x7f || code === 0x22) return escaped(value);
  }
  return value;
};

const escaped = (value: string): string => {
  let result = '';
  for (const character of value) {
    const code = character.charCodeAt(0);
    result +=
      code < 0x20 || code === 0x7f || character === '"' ? `\\x${code.toString(16).padStart(2, '0')}` : character;
  }
  return result;
};

const jsonFields = (record: RequestRecord): Record<string, string | number | null> => {
  const { start } = record;
  return {
    authority: start.authority || null,
    bytes_received: record.requestBodyBytes,
    bytes_sent: record.responseBodyBytes,
    connection_termination_details: record.terminationDetails ?? null,
    downstream_local_address: start.tunnel.authority,
    downstream_remote_address: start.tunnel.clientAddress,
    duration: Math.round(record.durationMs),
    method: start.method,
    path: record.path,
    protocol: start.protocol,
    request_id: record.requestId ?? null,
    requested_server_name: null,
    response_code: record.status,
    response_code_details: record.details ?? null,
    response_flags: flagsText(record.flags),
    route_name: record.routeName || null,
    start_time: new Date(record.startedAtMs).toISOString(),
    upstream_cluster: clusterName(record) ?? null,
    upstream_host: upstreamHost(record) ?? null,
    upstream_local_address: null,
    upstream_service_time: record.upstreamServiceMs === undefined ? null : Math.round(record.upstreamServiceMs),
    upstream_transport_failure_reason: record.transportFailure ?? null,
    user_agent: start.userAgent ?? null,
    x_forwarded_for: start.forwardedFor ?? null,
  };
};

/** The form that parsers of upstream logs know. */
export const upstreamHost = ({ endpoint }: RequestRecord): string | undefined =>
  endpoint === undefined ? undefined : addressText(endpoint);

/** `inbound-vip|<port>|http[/<subset>]|<hostname>` for the frontend's own service, `outbound|...` for others (spec 1.1). */
export const clusterName = ({ backend, start }: RequestRecord): string | undefined => {
  if (backend === undefined) return undefined;
  const subset = backend.subset;
  if (backend.hostname !== start.tunnel.frontend.hostname)
    return `outbound|${backend.port}|${subset}|${backend.hostname}`;
  return `inbound-vip|${backend.port}|http${subset === '' ? '' : `/${subset}`}|${backend.hostname}`;
};
