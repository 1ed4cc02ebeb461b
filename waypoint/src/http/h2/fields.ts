/**
 * Header lists of HTTP/2 (RFC 9113 8.2, 8.3; RFC 8441): what HPACK gave -> checked heads and trailers, and back. Pure, total: a
 * malformed list is undefined, its stream is then reset. Used by server-exchange.ts and client-call.ts; data thread.
 */
import { HeaderList } from '@ambit/l7';
import { CONNECTION_FIELDS, isName } from '@ambit/hbone/framed/fields';

/** Fields of one head (spec/waypoint.md 4.6.2), where nothing else is said; more are no message that we look at. */
const usualMaxFields = 100;

/** A request as it came. */
export interface RequestFields {
  readonly method: string;
  readonly path: string;
  readonly authority: string | undefined;
  /** `:protocol` of an extended CONNECT. */
  readonly protocol: string | undefined;
  readonly headers: HeaderList;
  readonly contentLength: number | undefined;
}

/** A response, informational ones included. */
export interface ResponseFields {
  readonly status: number;
  readonly headers: HeaderList;
  readonly contentLength: number | undefined;
}

interface Split {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly headers: HeaderList;
  readonly contentLength: number | undefined;
}

const ofRequests = new Set([':method', ':scheme', ':authority', ':path', ':protocol']);
const ofResponses = new Set([':status']);
const none: ReadonlySet<string> = new Set();

/** Whether a head has more fields than allowed. Crumbs of a cookie (RFC 9113 8.2.3) are one field. */
export const hasTooMany = (fields: readonly string[], maxFields: number): boolean => {
  if (fields.length <= 2 * maxFields) return false;
  let count = 0;
  let hasCookie = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.charCodeAt(0) === colon || (hasCookie && name === 'cookie')) continue;
    hasCookie ||= name === 'cookie';
    count += 1;
  }
  return count > maxFields;
};

/** Checks the head of a request, which has not {@link hasTooMany} fields. */
export const requestOf = (fields: readonly string[]): RequestFields | undefined => {
  const split = splitFields(fields, ofRequests);
  if (split === undefined) return undefined;
  const { pseudo, headers, contentLength } = split;
  const method = pseudo.get(':method') ?? '';
  const path = pseudo.get(':path');
  const authority = pseudo.get(':authority');
  const protocol = pseudo.get(':protocol');
  const hasTarget = path !== undefined && pseudo.has(':scheme');
  if (!isName(method.toLowerCase())) return undefined;
  if (method === 'CONNECT') {
    const isPlain = protocol === undefined && path === undefined && !pseudo.has(':scheme');
    const isExtended = protocol !== undefined && hasTarget && path.startsWith('/');
    if (authority === undefined || !(isPlain || isExtended)) return undefined;
  } else {
    const isPath = path?.startsWith('/') === true || (path === '*' && method === 'OPTIONS');
    if (!hasTarget || !isPath || protocol !== undefined) return undefined;
  }
  return { method, path: path ?? '', authority, protocol, headers, contentLength };
};

/** Checks the head of a response. 101 does not exist in HTTP/2. */
export const responseOf = (fields: readonly string[]): ResponseFields | undefined => {
  const split = hasTooMany(fields, usualMaxFields) ? undefined : splitFields(fields, ofResponses);
  const text = split?.pseudo.get(':status');
  if (split === undefined || text?.length !== 3) return undefined;
  const status = digitsOf(text);
  if (status === undefined || status < 100 || status === 101) return undefined;
  return { status, headers: split.headers, contentLength: split.contentLength };
};

/** Checks trailers; name, value, name, value. */
export const trailersOf = (fields: readonly string[]): readonly string[] | undefined =>
  hasTooMany(fields, usualMaxFields) || splitFields(fields, none) === undefined ? undefined : fields;

/** Appends fields to a list that is sent, without those that only HTTP/1.1 knows or that HTTP/2 has other words for. */
export const appendFields = (into: string[], raw: readonly string[]): string[] => {
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    const value = raw[at + 1] as string;
    if (CONNECTION_FIELDS.has(name) || notSent.has(name) || !isName(name)) continue;
    if (name === 'te' && value !== 'trailers') continue;
    into.push(name, value);
  }
  return into;
};

/** Trailers as they are sent: a list that has nothing left is none. */
export const trailersToSend = (raw: readonly string[] | undefined): readonly string[] | undefined => {
  if (raw === undefined || raw.length === 0) return undefined;
  const fields: string[] = [];
  const sent = appendFields([], raw);
  for (let at = 0; at + 1 < sent.length; at += 2) {
    if (sent[at] !== 'te') fields.push(sent[at] as string, sent[at + 1] as string);
  }
  return fields.length === 0 ? undefined : fields;
};

const notSent = new Set(['host', 'http2-settings']);

/**
 * Fields whose values differ from message to message, or are secrets that nobody may find by guessing (RFC 7541 7.1): all others go
 * into the table of the encoder.
 */
const changing = new Set([
  ':path',
  'authorization',
  'content-length',
  'content-range',
  'cookie',
  'etag',
  'grpc-message',
  'grpc-timeout',
  'if-none-match',
  'last-modified',
  'location',
  'proxy-authorization',
  'referer',
  'set-cookie',
  'traceparent',
  'tracestate',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-envoy-original-path',
  'x-request-id',
]);

/** Whether a field belongs into the table of the encoder. */
export const repeats = (name: string): boolean => !changing.has(name);

const splitFields = (fields: readonly string[], allowed: ReadonlySet<string>): Split | undefined => {
  const pseudo = new Map<string, string>();
  const flat: string[] = [];
  let contentLength: number | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!isValue(value)) return undefined;
    if (name.charCodeAt(0) === colon) {
      if (flat.length > 0 || !allowed.has(name) || pseudo.has(name)) return undefined;
      pseudo.set(name, value);
      continue;
    }
    if (!isName(name) || CONNECTION_FIELDS.has(name) || (name === 'te' && value.toLowerCase() !== 'trailers'))
      return undefined;
    if (name === 'content-length') {
      if (contentLength !== undefined) return undefined;
      contentLength = digitsOf(value);
      if (contentLength === undefined) return undefined;
    }
    flat.push(name, value);
  }
  return { pseudo, headers: HeaderList.fromLower(flat), contentLength };
};

const colon = 0x3a;

const digitsOf = (text: string): number | undefined => {
  if (text.length === 0 || text.length > 15) return undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return undefined;
  }
  return Number(text);
};

/** No control characters but tabs, no blanks at the ends: what HTTP/1.1 could carry as well. */
const isValue = (value: string): boolean => {
  const last = value.length - 1;
  for (let at = 0; at <= last; at++) {
    const code = value.charCodeAt(at);
    if (code > 0x20 && code !== 0x7f) continue;
    if ((code !== 0x20 && code !== 9) || at === 0 || at === last) return false;
  }
  return true;
};
