/**
 * Authority of a CONNECT -> frontend, or a CONNECT status (spec/waypoint.md 1.3, 1.4). Pure.
 * Path 4, step 3: called by hbone-in/listener.ts on the data thread, before 200 is sent.
 * Invariant: nothing that this waypoint was not given a Frontend for is ever reached (never an open proxy).
 */
import type { Snapshot } from '@ambit/state';
import { addressKey, canonicalIp, findServiceByVip, findWorkload, serviceKey } from '@ambit/state';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';

/** What to do with a CONNECT. */
export type Dispatch =
  | { readonly kind: 'frontend'; readonly frontend: FrontendPort; readonly destinationIp: string | undefined }
  | { readonly kind: 'status'; readonly status: 400 | 404 | 503; readonly reason: string }
  /** Unknown address: ask the control plane for `key` and dispatch again; `status` is the answer when it knows nothing. */
  | { readonly kind: 'lookup'; readonly key: string };

/** A parsed authority. */
export interface Authority {
  readonly host: string;
  readonly port: number;
  /** Canonical address when the host is one. */
  readonly ip: string | undefined;
}

/** Longest authority that is read. */
const maxAuthorityLength = 1024;

/** `ip:port`, `[v6]:port` or `host:port`; undefined for anything else and for port 0. */
export const parseAuthority = (text: string): Authority | undefined => {
  if (text.length > maxAuthorityLength) return undefined;
  const colon = text.lastIndexOf(':');
  const port = parsePort(text.slice(colon + 1));
  if (colon < 1 || port === undefined) return undefined;
  const host = text.slice(0, colon);
  if (host.startsWith('[') && host.endsWith(']')) {
    const ip = canonicalIp(host.slice(1, -1));
    return ip === undefined ? undefined : { host: ip, port, ip };
  }
  const ip = canonicalIp(host);
  if (ip !== undefined) return ip.includes(':') && !host.includes('.') ? undefined : { host: ip, port, ip };
  return isHostname(host) ? { host: host.toLowerCase(), port, ip: undefined } : undefined;
};

const parsePort = (text: string): number | undefined => {
  if (text === '' || text.length > 5) return undefined;
  for (const digit of text) if (digit < '0' || digit > '9') return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
};

const isHostname = (text: string): boolean => {
  if (text.length > 253) return false;
  for (const character of text) {
    const lower = character.toLowerCase();
    const plain = (lower >= 'a' && lower <= 'z') || (character >= '0' && character <= '9');
    if (!plain && character !== '-' && character !== '.' && character !== '_') return false;
  }
  return true;
};

const notServed = (reason: string): Dispatch => ({ kind: 'status', status: 404, reason });

/** Chooses the frontend of an authority in the waypoint's own network. */
export const dispatch = (authorityText: string, config: CompiledConfig, snapshot: Snapshot): Dispatch => {
  const authority = parseAuthority(authorityText);
  if (authority === undefined) return { kind: 'status', status: 400, reason: 'malformed authority' };
  if (config.settings.source === undefined) return { kind: 'status', status: 503, reason: 'no configuration yet' };
  if (authority.ip === undefined) return dispatchHostname(authority, config);
  return dispatchAddress(authority, authority.ip, config, snapshot);
};

const dispatchAddress = (authority: Authority, ip: string, config: CompiledConfig, snapshot: Snapshot): Dispatch => {
  const { network } = config.settings;
  if (isLoopback(ip)) return notServed('loopback is never a destination');
  const service = findServiceByVip(snapshot, network, ip, undefined);
  if (service !== undefined) return frontendOf(serviceKey(service), authority.port, config, ip);
  const workload = findWorkload(snapshot, network, ip);
  if (workload !== undefined) return frontendOf(workload.uid, authority.port, config, ip);
  return { kind: 'lookup', key: addressKey(network, ip) };
};

const dispatchHostname = (authority: Authority, config: CompiledConfig): Dispatch => {
  const [key] = config.frontendsByHostname(authority.host);
  if (key === undefined) return dispatchWildcard(authority, config);
  return frontendOf(key, authority.port, config, undefined);
};

/** `a.b.example.com` belongs to `*.b.example.com`, else to `*.example.com`. */
const dispatchWildcard = (authority: Authority, config: CompiledConfig): Dispatch => {
  let key: string | undefined;
  let dot = authority.host.indexOf('.');
  for (; dot !== -1 && key === undefined; dot = authority.host.indexOf('.', dot + 1))
    [key] = config.frontendsByHostname(`*${authority.host.slice(dot)}`);
  if (key === undefined) return notServed('unknown host name');
  return frontendOf(key, authority.port, config, undefined);
};

const frontendOf = (key: string, port: number, config: CompiledConfig, destinationIp: string | undefined): Dispatch => {
  const frontend = config.frontendPort(key, port);
  if (frontend === 'no-frontend') return notServed(`${key} is not served here`);
  if (frontend === 'no-port') return notServed(`${key} has no port ${port}`);
  return { kind: 'frontend', frontend, destinationIp };
};

const isLoopback = (ip: string): boolean => ip === '::1' || ip === '0.0.0.0' || ip === '::';
