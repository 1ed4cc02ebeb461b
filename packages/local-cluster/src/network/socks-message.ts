// SOCKS5 as the relay speaks it (RFC 1928, no authentication), with two commands of its own: RESOLVE (0xF0, a name to an
// address) and MAP (0xF1, a destination to a listener that leads there). Pure parsing and building; untrusted input.

/** Commands that are understood. */
export const SOCKS_COMMAND = { connect: 0x01, resolve: 0xf0, map: 0xf1 } as const;
/** Reply codes that are used. */
export const SOCKS_REPLY = { ok: 0, failed: 1, unreachable: 4, refused: 5, badCommand: 7, badAddress: 8 } as const;

/** A request: what to do with which destination. */
export interface SocksRequest {
  readonly command: number;
  /** IPv4 address or name. */
  readonly host: string;
  readonly port: number;
  /** Bytes used up, greeting included. */
  readonly bytes: number;
}

/** The result of looking at what arrived: more needed, a request, or nonsense. */
export type SocksParse =
  | { readonly kind: 'more' }
  | { readonly kind: 'greeting'; readonly bytes: number }
  | { readonly kind: 'request'; readonly request: SocksRequest }
  | { readonly kind: 'bad' };

/** Reads a client's greeting. */
export function parseGreeting(data: Buffer): SocksParse {
  if (data.length < 2) return { kind: 'more' };
  if (data[0] !== 5) return { kind: 'bad' };
  const bytes = 2 + (data[1] ?? 0);
  if (data.length < bytes) return { kind: 'more' };
  return data.subarray(2, bytes).includes(0) ? { kind: 'greeting', bytes } : { kind: 'bad' };
}

/** Reads a request. */
export function parseRequest(data: Buffer): SocksParse {
  if (data.length < 5) return { kind: 'more' };
  if (data[0] !== 5) return { kind: 'bad' };
  const command = data[1] ?? 0;
  const type = data[3];
  if (type === 1) {
    if (data.length < 10) return { kind: 'more' };
    const host = [...data.subarray(4, 8)].join('.');
    return { kind: 'request', request: { command, host, port: data.readUInt16BE(8), bytes: 10 } };
  }
  if (type === 3) {
    const bytes = 5 + (data[4] ?? 0) + 2;
    if (data.length < bytes) return { kind: 'more' };
    const host = data.toString('latin1', 5, bytes - 2).toLowerCase();
    return { kind: 'request', request: { command, host, port: data.readUInt16BE(bytes - 2), bytes } };
  }
  return { kind: 'bad' };
}

/** Builds a reply with an IPv4 address. */
export function buildReply(code: number, ip = '0.0.0.0', port = 0): Buffer {
  const reply = Buffer.from([5, code, 0, 1, ...ip.split('.').map(Number), 0, 0]);
  reply.writeUInt16BE(port, 8);
  return reply;
}

/** A client's greeting and CONNECT request for an IPv4 destination in one piece. */
export function buildConnect(ip: string, port: number): Buffer {
  const request = Buffer.from([5, 1, 0, 5, SOCKS_COMMAND.connect, 0, 1, ...ip.split('.').map(Number), 0, 0]);
  request.writeUInt16BE(port, 11);
  return request;
}
