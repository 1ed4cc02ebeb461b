// Header fields of a CONNECT tunnel: what HPACK gave -> a checked head, and back (RFC 9113 8.2, 8.3, 8.5). Pure, total.
// A malformed list is `undefined`: the stream is then reset with PROTOCOL_ERROR. Called per HEADERS by connection.ts.
import type { TunnelHeaders } from '../tunnel.ts';
import type { FieldList } from './hpack/decoder.ts';

/** A checked request. Pseudo fields that were not sent are undefined. */
export interface RequestHead {
  readonly method: string;
  readonly authority: string | undefined;
  readonly scheme: string | undefined;
  readonly path: string | undefined;
  readonly protocol: string | undefined;
  readonly headers: TunnelHeaders;
}

/** A checked response, informational ones (status below 200) included. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: TunnelHeaders;
}

/** Fields that belong to one HTTP/1 connection and must not appear (RFC 9113 8.2.2). */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
const REQUEST_PSEUDO = new Set([':method', ':authority', ':scheme', ':path', ':protocol']);
const RESPONSE_PSEUDO = new Set([':status']);
const NO_PSEUDO: ReadonlySet<string> = new Set();

interface Split {
  readonly pseudo: Map<string, string>;
  readonly headers: TunnelHeaders;
}

/** Checks a request: all of :method, :scheme, :path, or CONNECT with :method (and whatever `method` does not allow is left to the caller). */
export function parseRequest(fields: FieldList): RequestHead | undefined {
  const split = splitFields(fields, REQUEST_PSEUDO);
  const method = split?.pseudo.get(':method');
  if (split === undefined || method === undefined || method === '') return undefined;
  const { pseudo, headers } = split;
  const path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  if (method !== 'CONNECT' && (scheme === undefined || path === undefined || path === '')) return undefined;
  return { method, authority: pseudo.get(':authority'), scheme, path, protocol: pseudo.get(':protocol'), headers };
}

/** Checks a response. */
export function parseResponse(fields: FieldList): ResponseHead | undefined {
  const split = splitFields(fields, RESPONSE_PSEUDO);
  const text = split?.pseudo.get(':status');
  if (split === undefined || text?.length !== 3) return undefined;
  const status = Number(text);
  return Number.isInteger(status) && status >= 100 ? { status, headers: split.headers } : undefined;
}

/** True when the list may stand at the end of a stream: no pseudo fields, nothing malformed. */
export function areTrailers(fields: FieldList): boolean {
  return splitFields(fields, NO_PSEUDO) !== undefined;
}

/** The fields of a CONNECT. */
export function connectFields(authority: string, headers: TunnelHeaders | undefined): FieldList {
  return withHeaders([':method', 'CONNECT', ':authority', authority], headers);
}

/** The fields of an answer. */
export function responseFields(status: number, headers: TunnelHeaders | undefined): FieldList {
  return withHeaders([':status', String(status)], headers);
}

function withHeaders(fields: string[], headers: TunnelHeaders | undefined): FieldList {
  if (headers === undefined) return fields;
  for (const name of Object.keys(headers)) fields.push(name.toLowerCase(), headers[name] as string);
  return fields;
}

function splitFields(fields: FieldList, allowed: ReadonlySet<string>): Split | undefined {
  const pseudo = new Map<string, string>();
  // No prototype: names come from a peer.
  const headers = Object.create(null) as Record<string, string>;
  let isPastPseudo = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!isValue(value)) return undefined;
    if (name.charCodeAt(0) === 0x3a) {
      if (isPastPseudo || !allowed.has(name) || pseudo.has(name)) return undefined;
      pseudo.set(name, value);
      continue;
    }
    isPastPseudo = true;
    if (!isName(name) || CONNECTION_FIELDS.has(name) || (name === 'te' && value !== 'trailers')) return undefined;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before},${value}`;
  }
  return { pseudo, headers };
}

/** Lower-case tokens (RFC 9110 5.6.2 without capitals). */
export function isName(name: string): boolean {
  if (name.length === 0) return false;
  for (let at = 0; at < name.length; at += 1) {
    const c = name.charCodeAt(at);
    const isPlain = (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 45 || c === 95;
    if (!isPlain && !"!#$%&'*+.^`|~".includes(name[at] as string)) return false;
  }
  return true;
}

// No NUL, CR or LF anywhere, no blanks at the ends (RFC 9113 8.2.1).
function isValue(value: string): boolean {
  for (let at = 0; at < value.length; at += 1) {
    const c = value.charCodeAt(at);
    if (c === 0 || c === 10 || c === 13) return false;
  }
  const isBlank = (at: number): boolean => value.charCodeAt(at) === 32 || value.charCodeAt(at) === 9;
  return value.length === 0 || (!isBlank(0) && !isBlank(value.length - 1));
}
