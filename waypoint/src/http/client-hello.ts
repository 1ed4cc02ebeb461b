/**
 * The first bytes of a TLS connection -> the server name that the client asks for (RFC 8446 4.1.2, RFC 6066 3; spec/waypoint.md 1.5).
 * In: what was read so far. Out: a name, none, or the wish for more bytes. Pure; called by sniff.ts.
 */

/** What a ClientHello says. */
export type ServerName =
  | { readonly kind: 'name'; readonly name: string }
  /** No TLS, or no readable name. */
  | { readonly kind: 'none' }
  | { readonly kind: 'more' };

/** Longest ClientHello that is read, record headers included. */
export const MAX_CLIENT_HELLO = 16 * 1024;

const none: ServerName = { kind: 'none' };
const more: ServerName = { kind: 'more' };
const recordHandshake = 0x16;
const clientHello = 0x01;
const extensionServerName = 0;
const maxNameLength = 253;

/** Reads the name; a hello may be spread over several records. */
export const serverNameOf = (bytes: Buffer): ServerName => {
  const whole = handshakeOf(bytes);
  if (whole === 'none') return none;
  if (whole === 'more') return bytes.length >= MAX_CLIENT_HELLO ? none : more;
  return nameIn(new Cursor(whole));
};

/** The handshake message without its header. */
const handshakeOf = (bytes: Buffer): Buffer | 'more' | 'none' => {
  const pieces: Buffer[] = [];
  let length = 0;
  for (let at = 0; ;) {
    if (at < bytes.length && bytes[at] !== recordHandshake) return 'none';
    if (at + 5 > bytes.length) return 'more';
    const size = bytes.readUInt16BE(at + 3);
    if (size === 0 || size > MAX_CLIENT_HELLO) return 'none';
    const piece = bytes.subarray(at + 5, at + 5 + size);
    pieces.push(piece);
    length += piece.length;
    const message = pieces.length === 1 ? piece : Buffer.concat(pieces);
    if (message.length > 0 && message[0] !== clientHello) return 'none';
    if (length >= 4) {
      const end = 4 + message.readUIntBE(1, 3);
      if (end > MAX_CLIENT_HELLO) return 'none';
      if (length >= end) return message.subarray(4, end);
    }
    if (piece.length < size) return 'more';
    at += 5 + size;
  }
};

/** Reads forward; undefined behind the end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(size: 1 | 2): number | undefined {
    if (this.#at + size > this.#bytes.length) return undefined;
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  take(length: number): Buffer | undefined {
    if (this.#at + length > this.#bytes.length) return undefined;
    const piece = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return piece;
  }

  /** A piece whose length stands in front of it. */
  vector(size: 1 | 2): Buffer | undefined {
    const length = this.number(size);
    return length === undefined ? undefined : this.take(length);
  }
}

const nameIn = (hello: Cursor): ServerName => {
  const isWhole =
    hello.take(2 + 32) !== undefined && // version, random
    hello.vector(1) !== undefined && // session id
    hello.vector(2) !== undefined && // cipher suites
    hello.vector(1) !== undefined; // compression
  const extensions = isWhole ? hello.vector(2) : undefined;
  if (extensions === undefined) return none;
  const list = new Cursor(extensions);
  while (!list.isAtEnd) {
    const type = list.number(2);
    const body = list.vector(2);
    if (type === undefined || body === undefined) return none;
    if (type === extensionServerName) return hostNameIn(body);
  }
  return none;
};

const hostNameIn = (extension: Buffer): ServerName => {
  const names = new Cursor(extension).vector(2);
  if (names === undefined) return none;
  const cursor = new Cursor(names);
  if (cursor.number(1) !== 0) return none;
  const name = cursor.vector(2)?.toString('latin1').toLowerCase();
  return name !== undefined && isHostName(name) ? { kind: 'name', name } : none;
};

/** Letters of host names only: the name goes to logs, policies and name servers. */
export const isHostName = (text: string): boolean => {
  if (text.length === 0 || text.length > maxNameLength || text.startsWith('.') || text.includes('..')) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const isLetter = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
    if (!isLetter && code !== 0x2d && code !== 0x2e && code !== 0x5f) return false;
  }
  return true;
};
