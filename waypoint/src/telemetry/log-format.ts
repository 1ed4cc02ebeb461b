/**
 * Envoy's format strings for access logs -> a formatter (spec/waypoint.md 7.3). In: the mesh's text or JSON fields. Out: lines.
 * Compiled per configuration; asked once per request. Operators that are not known here print `-`, as absent values do.
 */
import type { HeaderList } from '@ambit/l7';
import { clusterName, printable, upstreamHost } from './access-log.ts';
import { flagsText } from './metrics.ts';
import type { RequestRecord } from './request-record.ts';

/** Makes the line of a request. */
export type AccessLogFormatter = (record: RequestRecord) => string;

type Value = string | number | undefined;
type Reader = (record: RequestRecord) => Value;
type Piece = string | Reader;

/** Longest format that is read; the rest of a longer one is left out. */
const maxFormatLength = 16_384;

/** Formatter of a text format; a line break at its end is left to the writer. */
export const compileTextFormat = (format: string): AccessLogFormatter => {
  const pieces = parse(format.endsWith('\n') ? format.slice(0, -1) : format);
  return (record) => pieces.map((piece) => textOf(piece, record)).join('');
};

/** What a field says. */
export type FieldValue = string | number | null;

/** Reader of named fields: a field that is one operator keeps its type, an absent value is null. Sorted by name. */
export const compileFields = (
  fields: Readonly<Record<string, string>>,
): ((record: RequestRecord) => (readonly [string, FieldValue])[]) => {
  const compiled = Object.entries(fields)
    .sort(([one], [two]) => (one < two ? -1 : 1))
    .map(([name, format]) => [name, parse(format)] as const);
  return (record) =>
    compiled.map(([name, pieces]) => {
      const [only] = pieces;
      if (pieces.length === 1 && typeof only === 'function') return [name, only(record) ?? null] as const;
      return [name, pieces.map((piece) => textOf(piece, record)).join('')] as const;
    });
};

/** Formatter of JSON fields. */
export const compileJsonFormat = (fields: Readonly<Record<string, string>>): AccessLogFormatter => {
  const read = compileFields(fields);
  return (record) => JSON.stringify(Object.fromEntries(read(record)));
};

const textOf = (piece: Piece, record: RequestRecord): string => {
  if (typeof piece === 'string') return piece;
  const value = piece(record);
  return value === undefined || value === '' ? '-' : printable(String(value));
};

/** `%NAME%`, `%NAME(argument)%`, `%NAME(argument):length%`; `%%` is a percent sign. */
const parse = (format: string): Piece[] => {
  const pieces: Piece[] = [];
  let plain = '';
  let index = 0;
  const text = format.slice(0, maxFormatLength);
  while (index < text.length) {
    const operator = text[index] === '%' ? operatorAt(text, index + 1) : undefined;
    if (operator === undefined) {
      plain += text[index] as string;
      index += 1;
      continue;
    }
    if (operator.name === '') plain += '%';
    else {
      if (plain !== '') pieces.push(plain);
      plain = '';
      pieces.push(readerOf(operator));
    }
    index = operator.end;
  }
  if (plain !== '' || pieces.length === 0) pieces.push(plain);
  return pieces;
};

interface Operator {
  readonly name: string;
  readonly argument: string | undefined;
  readonly maxLength: number | undefined;
  /** Index after the closing percent sign. */
  readonly end: number;
}

const operatorAt = (text: string, start: number): Operator | undefined => {
  let index = start;
  while (index < text.length && isNameCharacter(text.charCodeAt(index))) index += 1;
  const name = text.slice(start, index);
  let argument: string | undefined;
  if (text[index] === '(') {
    const close = text.indexOf(')', index);
    if (close === -1) return undefined;
    argument = text.slice(index + 1, close);
    index = close + 1;
  }
  let maxLength: number | undefined;
  if (text[index] === ':') {
    const stop = text.indexOf('%', index);
    if (stop === -1) return undefined;
    maxLength = Number(text.slice(index + 1, stop));
    index = stop;
  }
  if (text[index] !== '%' || Number.isNaN(maxLength)) return undefined;
  return { name, argument, maxLength, end: index + 1 };
};

const isNameCharacter = (code: number): boolean =>
  (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f;

const readerOf = ({ name, argument, maxLength }: Operator): Reader => {
  const read = argument === undefined ? plainReaders[name] : argumentReader(name, argument);
  if (read === undefined) return () => undefined;
  if (maxLength === undefined) return read;
  return (record) => {
    const value = read(record);
    return value === undefined ? undefined : String(value).slice(0, maxLength);
  };
};

const isoTime = ({ startedAtMs }: RequestRecord): string => new Date(startedAtMs).toISOString();
const remoteIp = ({ start }: RequestRecord): string => start.tunnel.sourceIp;
const remoteAddress = ({ start }: RequestRecord): string => start.tunnel.clientAddress;
const grpcStatus = ({ grpcStatus: status }: RequestRecord): Value =>
  status === undefined ? undefined : Number(status);
const rounded = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms));

const plainReaders: Readonly<Record<string, Reader>> = {
  START_TIME: isoTime,
  PROTOCOL: ({ start }) => start.protocol,
  RESPONSE_CODE: ({ status }) => status,
  RESPONSE_CODE_DETAILS: ({ details }) => details,
  RESPONSE_FLAGS: ({ flags }) => (flags.size === 0 ? undefined : flagsText(flags)),
  CONNECTION_TERMINATION_DETAILS: ({ terminationDetails }) => terminationDetails,
  UPSTREAM_TRANSPORT_FAILURE_REASON: ({ transportFailure }) => transportFailure,
  BYTES_RECEIVED: ({ requestBodyBytes }) => requestBodyBytes,
  BYTES_SENT: ({ responseBodyBytes }) => responseBodyBytes,
  REQUEST_HEADERS_BYTES: ({ start }) => start.requestHeaderBytes,
  RESPONSE_HEADERS_BYTES: ({ responseHeaderBytes }) => responseHeaderBytes,
  DURATION: ({ durationMs }) => rounded(durationMs),
  RESPONSE_DURATION: ({ upstreamServiceMs }) => rounded(upstreamServiceMs),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ({ attempts }) => attempts,
  UPSTREAM_HOST: upstreamHost,
  UPSTREAM_REMOTE_ADDRESS: upstreamHost,
  UPSTREAM_CLUSTER: clusterName,
  UPSTREAM_CLUSTER_RAW: clusterName,
  DOWNSTREAM_LOCAL_ADDRESS: ({ start }) => start.tunnel.authority,
  DOWNSTREAM_REMOTE_ADDRESS: remoteAddress,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: remoteIp,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: remoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: remoteIp,
  DOWNSTREAM_PEER_URI_SAN: ({ start }) => start.tunnel.peer.principal,
  ROUTE_NAME: ({ routeName }) => routeName || undefined,
  GRPC_STATUS: grpcStatus,
  GRPC_STATUS_NUMBER: grpcStatus,
};

const argumentReader = (name: string, argument: string): Reader | undefined => {
  switch (name) {
    case 'REQ':
      return alternatives(argument, (field) => (record) => requestField(record, field));
    case 'REQ_WITHOUT_QUERY':
      return alternatives(argument, (field) => (record) => requestField(record, field)?.split('?')[0]);
    case 'RESP':
      return alternatives(
        argument,
        (field) =>
          ({ responseHeaders }) =>
            responseHeaders?.joined(field),
      );
    case 'GRPC_STATUS':
      return grpcStatus;
    case 'START_TIME':
      return ({ startedAtMs }) => strftime(argument, startedAtMs);
    case 'FILTER_STATE':
      return argument.startsWith('io.istio.peer_principal')
        ? ({ start }) => start.tunnel.peer.principal
        : () => undefined;
    default:
      return undefined;
  }
};

/** `A?B`: B when A is absent. */
const alternatives = (argument: string, read: (field: string) => Reader): Reader => {
  const readers = argument.split('?').map((field) => read(field.toLowerCase()));
  return (record) => {
    for (const reader of readers) {
      const value = reader(record);
      if (value !== undefined) return value;
    }
    return undefined;
  };
};

const requestField = ({ start, path, requestId }: RequestRecord, field: string): string | undefined => {
  switch (field) {
    case ':method':
      return start.method;
    case ':path':
      return path;
    case ':authority':
    case 'host':
      return start.authority === '' ? undefined : start.authority;
    case 'x-request-id':
      return requestId;
    default:
      return secretFields.has(field) ? undefined : headerOf(start.headers, field);
  }
};

/** Credentials are never logged, whatever a format asks for. */
const secretFields = new Set(['authorization', 'cookie', 'proxy-authorization']);

const headerOf = (headers: HeaderList, field: string): string | undefined => headers.joined(field);

const strftime = (format: string, ms: number): string => {
  const iso = new Date(ms).toISOString(); // 2026-01-02T03:04:05.678Z
  const parts: Readonly<Record<string, string>> = {
    Y: iso.slice(0, 4),
    m: iso.slice(5, 7),
    d: iso.slice(8, 10),
    H: iso.slice(11, 13),
    M: iso.slice(14, 16),
    S: iso.slice(17, 19),
    F: iso.slice(0, 10),
    T: iso.slice(11, 19),
    s: String(Math.floor(ms / 1000)),
    z: '+0000',
  };
  let result = '';
  for (let index = 0; index < format.length; index++) {
    if (format[index] !== '%') {
      result += format[index] as string;
      continue;
    }
    const digits = format[index + 1] ?? '';
    if (digits >= '1' && digits <= '9' && format[index + 2] === 'f') {
      result += iso.slice(20, 23).padEnd(9, '0').slice(0, Number(digits));
      index += 2;
    } else {
      result += parts[digits] ?? `%${digits}`;
      index += 1;
    }
  }
  return result;
};
