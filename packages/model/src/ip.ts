// IP texts to bytes and back. In: text of users. Out: network-order bytes, canonical text. Pure.
import ipaddr from 'ipaddr.js';

/** Longest accepted address text, in characters. */
const MAX_LENGTH = 64;

/** Bytes of an IP address text (4 or 16; IPv4-mapped text keeps 16), or undefined when it is none. */
export function ipBytes(text: string | undefined): Uint8Array | undefined {
  if (text === undefined || text.length === 0 || text.length > MAX_LENGTH) return undefined;
  // Four-part decimal only: the short, hexadecimal and octal forms of inet_aton are not addresses here.
  if (text.includes(':')) {
    if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
    return Uint8Array.from(ipaddr.IPv6.parse(text).toByteArray());
  }
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] ?? '';
    if (!isDecimal(part, 3) || (part.length > 1 && part.startsWith('0'))) return undefined;
    const value = Number(part);
    if (value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

/** An address with prefix length: `a.b.c.d/n`. Host bits are kept as written. */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Reads `address/length`, or a plain address as a full-length prefix; undefined when it is neither. */
export function ipPrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const bytes = ipBytes(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const full = bytes.length * 8;
  if (slash < 0) return { bytes, length: full };
  const digits = text.slice(slash + 1);
  if (!isDecimal(digits, 3) || (digits.length > 1 && digits.startsWith('0')) || Number(digits) > full) return undefined;
  return { bytes, length: Number(digits) };
}

/** The prefix with its host bits cleared. */
export function masked(prefix: Prefix): Uint8Array {
  const out = Uint8Array.from(prefix.bytes);
  for (let i = 0; i < out.length; i++) {
    const keep = Math.min(8, Math.max(0, prefix.length - i * 8));
    out[i] = (out[i] ?? 0) & (0xff << (8 - keep));
  }
  return out;
}

/** Canonical text of address bytes (RFC 5952 for IPv6). */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const address = ipaddr.fromByteArray(Array.from(bytes)) as ipaddr.IPv6;
  return address.isIPv4MappedAddress() ? `::ffff:${address.toIPv4Address().toString()}` : address.toRFC5952String();
}

/** True for one to `maxDigits` decimal digits. */
export function isDecimal(text: string, maxDigits: number): boolean {
  if (text.length === 0 || text.length > maxDigits) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}
