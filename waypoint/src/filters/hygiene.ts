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
import { methods } from '../http/h1/grammar.ts';
import type { ProxySettings } from '../updates/proxy-settings.ts';
import { appendVia } from './answer.ts';

/** A clean request, or the answer to a dirty one. */
export type Cleaned =
  | {
      readonly ok: true;
      readonly request: RequestView & { readonly headers: HeaderList };
      readonly requestId: string | undefined;
      /** The client waits for a `100 Continue` of ours. */
      readonly answersContinue: boolean;
    }
  | {
      readonly ok: false;
      readonly reply: LocalReply;
      /** Path for the log where it differs from the request's. */
      readonly path?: string;
    };

const refuse = (reply: LocalReply): Cleaned => ({ ok: false, reply });

/** Facts of the connection that every request of a tunnel shares. */
export const connectionViewOf = (tunnel: Tunnel, port: number): ConnectionView => ({
  peer: tunnel.peer,
  sourceIp: tunnel.sourceIp,
  remoteIp: tunnel.sourceIp,
  destinationIp: tunnel.destinationIp,
  port,
  sni: tunnel.serverName,
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
  if (head.method === 'CONNECT') return refuse(connectRefused);
  if (head.target.startsWith('https://') && head.scheme !== 'https') return refuse(replies.httpsOnPlaintext);
  const target = splitTarget(head.target, head.authority === '' ? settings.http10Host : head.authority);
  if (!isAuthority(target.authority)) return refuse(replies.invalidAuthority);
  if (target.path === '*') return refuse(replies.absolutePathRejected);
  if (!target.path.startsWith('/')) return refuse(replies.badFraming);
  const path = normalizePath(target.path, settings.normalize);
  if (!path.ok) {
    const { redirect } = path;
    return redirect === undefined
      ? refuse(replies.pathNormalizationFailed)
      : { ok: false, reply: replies.cleanPath(redirect), path: redirect };
  }
  const headers = head.headers.clone();
  if (!removeHopByHop(headers, 'request', { keepsUpgrade: exchange.isWebsocket })) return refuse(replies.badFraming);
  if (settings.underscores !== 'allow' && headers.removeIf((name) => name.includes('_')) > 0) {
    if (settings.underscores === 'reject') return refuse(replies.underscoreRefused);
  }
  const remoteIp = trustedAddress(headers, tunnel, settings);
  const requestId = setForwardingHeaders(headers, tunnel, settings, localPrincipal, exchange, remoteIp);
  const { method, scheme } = head;
  return {
    ok: true,
    requestId,
    answersContinue: takesExpectation(headers, settings),
    request: {
      ...connectionViewOf(tunnel, port),
      remoteIp,
      method,
      scheme: settings.useRemoteAddress && settings.trustedProxies === 0 ? 'http' : scheme,
      authority: strippedHost(target.authority, settings),
      path: path.path,
      query: path.query,
      headers,
    },
  };
};

/** CONNECT inside a tunnel leads nowhere (spec/waypoint.md 3.13). */
const connectRefused: LocalReply = { ...replies.routeNotFound, closeConnection: true };

/** `Expect: 100-continue` that we answer ourselves does not go on. */
const takesExpectation = (headers: HeaderList, { relaysContinue }: ProxySettings): boolean => {
  if (relaysContinue || headers.get('expect')?.toLowerCase() !== '100-continue') return false;
  headers.remove('expect');
  return true;
};

/** Host without port, or without the dot of its root, where that is wanted. */
const strippedHost = (authority: string, { stripHostPort, stripHostDot }: ProxySettings): string => {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon > authority.lastIndexOf(']');
  let host = hasPort ? authority.slice(0, colon) : authority;
  const port = hasPort && !stripHostPort ? authority.slice(colon) : '';
  if (stripHostDot && host.endsWith('.')) host = host.slice(0, -1);
  return host + port;
};

/** Version, method and hosts; the codec has checked framing and sizes (spec/waypoint.md 4.6.2). */
const framingProblem = (exchange: Exchange, settings: ProxySettings): LocalReply | undefined => {
  const { headers } = exchange.head;
  if (exchange.protocol === 'HTTP/1.0' && !settings.acceptHttp10) return replies.lowVersion;
  if (exchange.protocol === 'HTTP/2') {
    // What the codec of HTTP/1.1 refuses: `get` is not the GET of a policy, but may be that of a backend.
    if (!methods.has(exchange.head.method)) return replies.badFraming;
    if (wantsForeignUpgrade(exchange)) return replies.upgradeFailed;
    return exchange.head.authority === '' ? replies.missingHost : undefined;
  }
  if (headers.getAll('host').length > 1) return replies.badFraming;
  if (wantsForeignUpgrade(exchange)) return replies.upgradeFailed;
  if (headers.has('host') || (exchange.protocol === 'HTTP/1.0' && settings.http10Host !== '')) return undefined;
  return replies.missingHost;
};

/** An upgrade to something else than websocket; one to h2c is an offer that is not taken, and the request goes on without it. */
const wantsForeignUpgrade = ({ isWebsocket, head: { headers } }: Exchange): boolean => {
  const upgrade = headers.get('upgrade');
  if (upgrade === undefined || isWebsocket || upgrade.toLowerCase() === 'h2c') return false;
  const nominated = headers.joined('connection')?.toLowerCase().split(',') ?? [];
  return nominated.some((name) => name.trim() === 'upgrade');
};

/** 1 per byte that an authority may hold (RFC 3986 3.2). */
const authorityBytes = ((): Uint8Array => {
  const table = new Uint8Array(128);
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  for (const character of `${letters}${letters.toUpperCase()}0123456789-._~%!$&'()*+,;=:@[]`)
    table[character.charCodeAt(0)] = 1;
  return table;
})();

/** True for an empty authority as well. */
const isAuthority = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) if (authorityBytes[text.charCodeAt(index)] !== 1) return false;
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

/**
 * The address that policies take for the client's (spec/waypoint.md 4.6.3). Waypoints: the last entry of an incoming
 * `x-forwarded-for` when it is an address; gateways: the peer, or the entry that the trusted proxies in front wrote.
 */
const trustedAddress = (headers: HeaderList, tunnel: Tunnel, settings: ProxySettings): string => {
  const { useRemoteAddress, trustedProxies } = settings;
  if (useRemoteAddress && trustedProxies === 0) return tunnel.sourceIp;
  const entries = headers.joined('x-forwarded-for')?.split(',');
  if (entries === undefined) return tunnel.sourceIp;
  const entry = entries.at(useRemoteAddress ? -trustedProxies : -1)?.trim();
  return entry !== undefined && isIP(entry) !== 0 ? entry : tunnel.sourceIp;
};

const setForwardingHeaders = (
  headers: HeaderList,
  tunnel: Tunnel,
  settings: ProxySettings,
  localPrincipal: string,
  exchange: Exchange,
  remoteIp: string,
): string | undefined => {
  headers.removeIf((name) => name.startsWith('x-envoy-') && name !== 'x-envoy-external-address');
  headers.remove('x-forwarded-client-cert');
  if (settings.includeClientIdentity && tunnel.peer.principal !== undefined) {
    headers.append('x-forwarded-client-cert', `By=${localPrincipal};URI=${tunnel.peer.principal}`);
  }
  if (settings.useRemoteAddress) {
    if (!settings.keepForwardedFor) appendForwardedFor(headers, tunnel.sourceIp);
    if (settings.trustedProxies === 0 || !headers.has('x-forwarded-proto'))
      headers.replace('x-forwarded-proto', 'http');
    headers.replace('x-envoy-external-address', remoteIp);
  } else if (!headers.has('x-forwarded-proto')) headers.append('x-forwarded-proto', exchange.head.scheme);
  if (settings.via !== '') appendVia(headers, settings.via);
  const known = headers.get('x-request-id');
  const isTrusted = settings.trustRequestId || !settings.useRemoteAddress;
  if (known !== undefined && known !== '' && isTrusted) return known;
  if (settings.omitRequestId) return known;
  const requestId = randomUUID();
  headers.replace('x-request-id', requestId);
  return requestId;
};

/** One more hop. */
export const appendForwardedFor = (headers: HeaderList, ip: string): void => {
  const known = headers.joined('x-forwarded-for');
  headers.replace('x-forwarded-for', known === undefined ? ip : `${known},${ip}`);
};
