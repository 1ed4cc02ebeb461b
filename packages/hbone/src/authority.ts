// `:authority` of CONNECT: parse what a peer sent, build what we send. Pure, total: every text parses or throws
// ERR_HBONE_AUTHORITY.
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { HboneError } from './errors.ts';

/** Where a tunnel wants to go. */
export type HboneAuthority =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'hostname'; readonly host: string; readonly port: number };

const MAX_LENGTH = 300;
const MAX_PORT = 65_535;

/** Reads `1.2.3.4:80`, `[::1]:80` and `host:80`. The host is lower case in the result. */
export function parseAuthority(text: string): HboneAuthority {
  if (text.length > MAX_LENGTH) throw bad(`${text.slice(0, 40)}...`);
  const colon = text.lastIndexOf(':');
  if (colon <= 0) throw bad(text);
  const port = parsePort(text.slice(colon + 1));
  const host = text.slice(0, colon);
  if (port === undefined) throw bad(text);
  if (host.startsWith('[') && host.endsWith(']')) {
    const ip = host.slice(1, -1);
    if (!isIPv6(ip) || ip.includes('%')) throw bad(text);
    return { kind: 'address', ip, port };
  }
  if (isIPv4(host)) return { kind: 'address', ip: host, port };
  if (!isHostname(host)) throw bad(text);
  return { kind: 'hostname', host: host.toLowerCase(), port };
}

/** The opposite of `parseAuthority`. `host` may be an IP literal or a name. */
export function formatAuthority(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function parsePort(text: string): number | undefined {
  if (text.length === 0 || text.length > 5) return undefined;
  let port = 0;
  for (let i = 0; i < text.length; i += 1) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    port = port * 10 + digit;
  }
  return port <= MAX_PORT ? port : undefined;
}

// Letters, digits, '-', '_' and '.': what Kubernetes and DNS names need; no user info, no percent signs, no spaces.
function isHostname(host: string): boolean {
  if (host.length === 0 || host.length > 255) return false;
  for (let i = 0; i < host.length; i += 1) {
    const c = host.charCodeAt(i) | 0x20;
    const isWordCharacter = (c >= 97 && c <= 122) || (c >= 48 && c <= 57);
    if (!isWordCharacter && !'-_.'.includes(host[i] as string)) return false;
  }
  return true;
}

function bad(text: string): HboneError {
  return new HboneError('ERR_HBONE_AUTHORITY', `no valid authority pseudo header: ${JSON.stringify(text)}`);
}
