// IP addresses as canonical text and as numbers. In: bytes from WDS, text from sockets, headers and files. Out: one text per
// address, so that keys compare with ===. Called everywhere in this package and by its users; pure, any thread.

import ipaddr from 'ipaddr.js';

/** Longest address text that is read. */
const maxTextLength = 64;

/**
 * Canonical text: dotted for IPv4 and IPv4-mapped, RFC 5952 for IPv6 without zone. `undefined` for anything else.
 * Octal, hexadecimal and short IPv4 forms are refused.
 */
export function canonicalIp(text: string): string | undefined {
  if (isDottedIpv4(text)) return text;
  if (text.length > maxTextLength || !text.includes(':') || !ipaddr.IPv6.isValid(text)) return undefined;
  return canonicalIpv6(ipaddr.IPv6.parse(text));
}

/** Canonical text of 4 or 16 address bytes; other lengths are `undefined`. */
export function ipOfBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) return undefined;
  return canonicalIpv6(new ipaddr.IPv6([...bytes]));
}

/** 4 or 6, of canonical text. */
export function familyOf(ip: string): 4 | 6 {
  return ip.includes(':') ? 6 : 4;
}

/** `ip:port`, with brackets around IPv6. */
export function formatIpPort(ip: string, port: number): string {
  return familyOf(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The store key of an address in a network. */
export function addressKey(network: string, ip: string): string {
  return `${network}/${ip}`;
}

/** An address as 16-bit groups: two for IPv4, eight for IPv6. Of canonical text only. */
export function groupsOf(ip: string): readonly number[] {
  if (familyOf(ip) === 6) return ipaddr.IPv6.parse(ip).parts;
  const bytes = ip.split('.').map(Number);
  return [((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0), ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)];
}

/** Whether `address` lies in the range `network`/`length`; both as groups. Different families never match. */
export function isInRange(address: readonly number[], network: readonly number[], length: number): boolean {
  if (address.length !== network.length) return false;
  let bitsLeft = length;
  for (let index = 0; bitsLeft > 0; index += 1, bitsLeft -= 16) {
    const mask = bitsLeft >= 16 ? 0xffff : (0xffff << (16 - bitsLeft)) & 0xffff;
    if ((((address[index] ?? 0) ^ (network[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** Longest prefix of a family, in bits. */
export function fullLength(ip: string): 32 | 128 {
  return familyOf(ip) === 4 ? 32 : 128;
}

function canonicalIpv6(address: ipaddr.IPv6): string {
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().toString();
  return address.toRFC5952String();
}

function isDottedIpv4(text: string): boolean {
  if (text.length < 7 || text.length > 15) return false;
  let value = 0;
  let digits = 0;
  let dots = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 46) {
      if (digits === 0) return false;
      dots += 1;
      value = 0;
      digits = 0;
    } else {
      if (code < 48 || code > 57 || (digits > 0 && value === 0)) return false;
      value = value * 10 + (code - 48);
      digits += 1;
      if (value > 255) return false;
    }
  }
  return dots === 3 && digits > 0;
}
