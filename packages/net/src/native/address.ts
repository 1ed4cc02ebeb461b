// C socket addresses to and from bytes. Pure.
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { SocketAddress } from '../endpoint.ts';
import { NetError } from '../errors.ts';
import { AF_INET, AF_INET6, AF_UNIX } from './constants.ts';

const SUN_PATH_BYTES = 108;

/** `AF_INET` or `AF_INET6` for an IP literal; throws ERR_NET_ARGUMENT for anything else. */
export function familyOf(ip: string): typeof AF_INET | typeof AF_INET6 {
  if (isIPv4(ip)) return AF_INET;
  if (isIPv6(ip)) return AF_INET6;
  throw new NetError('ERR_NET_ARGUMENT', `"${ip}" is not an IP address`);
}

/** `sockaddr_in` or `sockaddr_in6`; with `family` AF_INET6 an IPv4 literal becomes v4-mapped. */
export function encodeSocketAddress(address: SocketAddress, family: number = familyOf(address.ip)): Buffer {
  if (family === AF_INET) {
    const out = Buffer.alloc(16);
    out.writeUInt16LE(AF_INET, 0);
    out.writeUInt16BE(address.port, 2);
    out.set(isIPv4(address.ip) ? dottedBytes(address.ip) : ipaddr.parse(address.ip).toByteArray(), 4);
    return out;
  }
  const parsed = ipaddr.parse(address.ip);
  const out = Buffer.alloc(28);
  out.writeUInt16LE(AF_INET6, 0);
  out.writeUInt16BE(address.port, 2);
  out.set((parsed instanceof ipaddr.IPv4 ? parsed.toIPv4MappedAddress() : parsed).toByteArray(), 8);
  return out;
}

/** Reads `sockaddr_in` and `sockaddr_in6`, unmapping v4; undefined for other families. */
export function decodeSocketAddress(bytes: Buffer): SocketAddress | undefined {
  const family = bytes.readUInt16LE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET) return { ip: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port };
  if (family !== AF_INET6) return undefined;
  return { ip: ipaddr.process(ipaddr.fromByteArray([...bytes.subarray(8, 24)]).toString()).toString(), port };
}

function dottedBytes(ip: string): number[] {
  return ip.split('.').map(Number);
}

/** `sockaddr_un` of a file path. */
export function encodeUnixAddress(path: string): Buffer {
  const name = Buffer.from(path);
  if (name.length === 0 || name.length >= SUN_PATH_BYTES) {
    throw new NetError('ERR_NET_ARGUMENT', `unix socket path is ${name.length} bytes long, at most 107 are possible`);
  }
  const out = Buffer.alloc(2 + name.length + 1);
  out.writeUInt16LE(AF_UNIX, 0);
  name.copy(out, 2);
  return out;
}
