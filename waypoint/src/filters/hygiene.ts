/**
 * Step 0: what arrived -> a request that policies and routes may look at, or a refusal (spec/waypoint.md 4.6).
 * In: an exchange and its tunnel. Out: normalized view with clean headers. Called first by filters/order.ts; data thread.
 */
import {
  type ConnectionView,
  HeaderList,
  type LocalReply,
  normalizePath,
  removeHopByHop,
  replies,
  type RequestView,
} from '@ambit/l7';
import { isIP } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ProxySettings } from '../updates/compiled-config.ts';

/** Most header fields of a request (spec/waypoint.md 4.6.2). */
const maxHeaderFields = 100;

/** A clean request, or the answer to a dirty one. */
export type Cleaned =
  | { readonly ok: true; readonly request: RequestView & { readonly headers: HeaderList }; readonly requestId: string }
  | { readonly ok: false; readonly reply: LocalReply };

const refuse = (reply: LocalReply): Cleaned => ({ ok: false, reply });

/** Facts of the connection that every request of a tunnel shares. */
export const connectionViewOf = (tunnel: Tunnel, port: number): ConnectionView => ({
  peer: tunnel.peer,
  sourceIp: tunnel.sourceIp,
  remoteIp: tunnel.sourceIp,
  destinationIp: tunnel.destinationIp,
  port,
  sni: undefined,
});

/** Checks and cleans one request. */
export const cleanRequest = (
  exchange: Exchange,
  tunnel: Tunnel,
  port: number,
  settings: ProxySettings,
  localPrincipal: string,
): Cleaned => {
  const { head } = exchange;
  const refusal = framingProblem(exchange, settings);
  if (refusal !== undefined) return refuse(refusal);
  if (head.target.startsWith('https://') && head.scheme !== 'https') return refuse(replies.httpsOnPlaintext);
  const target = splitTarget(head.target, head.authority);
  if (!isAuthority(target.authority)) return refuse(replies.invalidAuthority);
  if (target.path === '*') return refuse(replies.absolutePathRejected);
  const path = normalizePath(target.path, settings.normalize);
  if (!path.ok) return refuse(replies.pathNormalizationFailed);
  const headers = head.headers.clone();
  if (!removeHopByHop(headers, 'request')) return refuse(replies.badFraming);
  const remoteIp = trustedAddress(headers) ?? tunnel.sourceIp;
  const requestId = setForwardingHeaders(headers, tunnel, settings, localPrincipal, exchange);
  const { method, scheme } = head;
  return {
    ok: true,
    requestId,
    request: {
      ...connectionViewOf(tunnel, port),
      remoteIp,
      method,
      scheme,
      authority: target.authority,
      path: path.path,
      query: path.query,
      headers,
    },
  };
};

/** Version, header counts and everything that two HTTP/1.1 parsers could read differently (spec/waypoint.md 4.6.2). */
const framingProblem = (exchange: Exchange, settings: ProxySettings): LocalReply | undefined => {
  const { headers } = exchange.head;
  if (exchange.protocol === 'HTTP/1.0' && !settings.acceptHttp10) return replies.lowVersion;
  if (headers.size > maxHeaderFields) return replies.tooManyHeaders;
  if (exchange.protocol === 'HTTP/2') return exchange.head.authority === '' ? replies.missingHost : undefined;
  if (headers.getAll('host').length > 1) return replies.badFraming;
  if (!headers.has('host')) return replies.missingHost;
  const coding = headers.joined('transfer-encoding');
  if (coding === undefined) return undefined;
  if (coding.trim().toLowerCase() !== 'chunked') return replies.badTransferEncoding;
  return headers.has('content-length') ? replies.lengthAndChunked : undefined;
};

const authorityMarks = "-._~%!$&'()*+,;=:@[]";

/** Characters of RFC 3986 3.2; an empty authority is one. */
const isAuthority = (text: string): boolean => {
  for (const character of text) {
    const lower = character.toLowerCase();
    const isPlain = (lower >= 'a' && lower <= 'z') || (character >= '0' && character <= '9');
    if (!isPlain && !authorityMarks.includes(character)) return false;
  }
  return true;
};

/** Absolute-form targets name the authority themselves (spec/waypoint.md 3.13). */
const splitTarget = (target: string, authority: string): { path: string; authority: string } => {
  const scheme = target.startsWith('http://') ? 7 : target.startsWith('https://') ? 8 : 0;
  if (scheme === 0) return { path: target, authority };
  const rest = target.slice(scheme);
  const end = Math.min(
    ...['/', '?'].map((mark) => rest.indexOf(mark)).map((index) => (index === -1 ? rest.length : index)),
  );
  const path = rest.slice(end);
  return { path: path.startsWith('/') ? path : `/${path}`, authority: rest.slice(0, end) };
};

/** Last entry of an incoming `x-forwarded-for` when it is an address; upstream's rule for waypoints (4.6.3). */
const trustedAddress = (headers: HeaderList): string | undefined => {
  const last = headers.joined('x-forwarded-for')?.split(',').at(-1)?.trim();
  return last !== undefined && isIP(last) !== 0 ? last : undefined;
};

const setForwardingHeaders = (
  headers: HeaderList,
  tunnel: Tunnel,
  settings: ProxySettings,
  localPrincipal: string,
  exchange: Exchange,
): string => {
  headers.removeIf((name) => name.startsWith('x-envoy-') && name !== 'x-envoy-external-address');
  headers.remove('x-forwarded-client-cert');
  if (settings.includeClientIdentity && tunnel.peer.principal !== undefined) {
    headers.append('x-forwarded-client-cert', `By=${localPrincipal};URI=${tunnel.peer.principal}`);
  }
  if (!headers.has('x-forwarded-proto')) headers.append('x-forwarded-proto', exchange.head.scheme);
  const known = headers.get('x-request-id');
  if (known !== undefined && known !== '') return known;
  const requestId = randomUUID();
  headers.set('x-request-id', requestId);
  return requestId;
};
