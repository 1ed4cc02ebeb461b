/**
 * Bytes of a SOCKS5 client in, what to reply and where it wants to go out. No I/O.
 *
 * Used by `socks5.ts` on a data thread. RFC 1928 subset of spec/node-proxy.md 3.5 (no authentication, CONNECT only,
 * IPv4, IPv6 and domain names), server side, and the client side that the loopback domain uses towards its relay.
 */

/** Where the client wants to go. Exactly one of `ip` and `domain` is set. */
export interface Socks5Target {
  readonly ip?: string;
  readonly domain?: string;
  readonly port: number;
}

/** What the parser wants next. */
export type Socks5Step =
  | { readonly kind: 'more' }
  | { readonly kind: 'reply'; readonly bytes: Buffer; readonly consumed: number }
  | { readonly kind: 'target'; readonly target: Socks5Target; readonly consumed: number }
  | { readonly kind: 'refuse'; readonly bytes: Buffer; readonly reason: string };

/** `05 00`: no authentication. */
const METHOD_NONE = Buffer.from([5, 0]);

/** Reply codes we use (RFC 1928 section 6, values as ztunnel answers them). */
export const SOCKS5_REPLY = { success: 0, general: 1, unresolved: 4, unsupported: 7 } as const;

/** The longest request there is: 4 bytes, length, 255 name bytes, 2 port bytes. */
export const SOCKS5_LIMIT_BYTES = 4 + 1 + 255 + 2;

/** A reply message: `05 <code> 00 01 00000000 0000`. */
export function socks5Reply(code: number): Buffer {
  return Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
}

/** Reads the method list, the first message of a client. */
export function parseGreeting(bytes: Buffer): Socks5Step {
  if (bytes.length < 2) return { kind: 'more' };
  if (bytes[0] !== 5) return refuse(`version ${bytes[0] ?? 0} is not 5`);
  const count = bytes[1] ?? 0;
  if (bytes.length < 2 + count) return { kind: 'more' };
  if (!bytes.subarray(2, 2 + count).includes(0)) return refuse('no acceptable authentication method');
  return { kind: 'reply', bytes: METHOD_NONE, consumed: 2 + count };
}

/** Reads the request, the second message of a client. */
export function parseRequest(bytes: Buffer): Socks5Step {
  if (bytes.length < 5) return { kind: 'more' };
  if (bytes[0] !== 5) return refuse(`version ${bytes[0] ?? 0} is not 5`);
  if (bytes[1] !== 1) return refuse(`command ${bytes[1] ?? 0} is not CONNECT`);
  const kind = bytes[3];
  const addressBytes = kind === 1 ? 4 : kind === 4 ? 16 : kind === 3 ? 1 + (bytes[4] ?? 0) : -1;
  if (addressBytes < 0) return refuse(`address type ${kind ?? 0} is unknown`);
  const end = 4 + addressBytes + 2;
  if (bytes.length < end) return { kind: 'more' };
  const port = bytes.readUInt16BE(end - 2);
  if (kind !== 3) return { kind: 'target', target: { ip: formatIp(bytes.subarray(4, end - 2)), port }, consumed: end };
  const domain = bytes.toString('latin1', 5, end - 2);
  if (!isHostname(domain)) return refuse('the domain name is not a host name');
  return { kind: 'target', target: { domain: domain.toLowerCase(), port }, consumed: end };
}

/** Request bytes of a client that asks for `ip:port` without authentication: greeting and CONNECT in one write. */
export function connectRequest(ip: Uint8Array, port: number): Buffer {
  const tail = Buffer.alloc(2);
  tail.writeUInt16BE(port);
  return Buffer.concat([Buffer.from([5, 1, 0, 5, 1, 0, ip.length === 4 ? 1 : 4]), ip, tail]);
}

/** Reads the two answers to `connectRequest`. `more` until both are complete. */
export function parseConnectReply(
  bytes: Buffer,
): { kind: 'more' } | { kind: 'connected'; consumed: number } | { kind: 'refused'; code: number } {
  if (bytes.length >= 2 && (bytes[0] !== 5 || bytes[1] !== 0)) return { kind: 'refused', code: bytes[1] ?? 0xff };
  if (bytes.length < 7) return { kind: 'more' };
  const code = bytes[3] ?? 0xff;
  if (code !== 0) return { kind: 'refused', code };
  const addressBytes = bytes[5] === 1 ? 4 : bytes[5] === 4 ? 16 : 1 + (bytes[6] ?? 0);
  const end = 2 + 4 + addressBytes + 2;
  return bytes.length < end ? { kind: 'more' } : { kind: 'connected', consumed: end };
}

function refuse(reason: string): Socks5Step {
  return { kind: 'refuse', bytes: socks5Reply(SOCKS5_REPLY.unsupported), reason };
}

function formatIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return groups.join(':');
}

function isHostname(name: string): boolean {
  if (name.length === 0) return false;
  for (const char of name) {
    const known = (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || (char >= '0' && char <= '9');
    if (!known && char !== '-' && char !== '.' && char !== '_') return false;
  }
  return true;
}
