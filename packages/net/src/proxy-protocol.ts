// The PROXY protocol header that tells an application who called (HAProxy specification 2.x; spec node-proxy 3.2.6).
// Pure: addresses in, bytes out, and a parser with limits for tests and for proxies that receive one.
import ipaddr from 'ipaddr.js';
import type { SocketAddress } from './endpoint.ts';
import { formatAddress, NetError } from './errors.ts';

/** A type-length-value field of version 2. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** What a header says. Addresses are absent for LOCAL, UNKNOWN and mixed families. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  readonly source: SocketAddress | undefined;
  readonly destination: SocketAddress | undefined;
  readonly tlvs: readonly ProxyTlv[];
  /** Bytes the header takes. */
  readonly length: number;
}

/** Type of the field that carries the source identity URI. */
export const PROXY_TLV_IDENTITY = 0xd0;

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const PREFIX_BYTES = 16;
const MAX_V1_BYTES = 107;
/** Longest version 2 header the parser takes. */
const MAX_V2_BYTES = 4096;

/** Version 2, command PROXY, STREAM. Mixed address families become AF_UNSPEC. */
export function encodeProxyV2(
  source: SocketAddress,
  destination: SocketAddress,
  tlvs: readonly ProxyTlv[] = [],
): Buffer {
  const from = ipaddr.process(source.ip).toByteArray();
  const to = ipaddr.process(destination.ip).toByteArray();
  const isSame = from.length === to.length;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const addresses = isSame ? Buffer.concat([Buffer.from(from), Buffer.from(to), ports]) : Buffer.alloc(0);
  const fields = tlvs.map(encodeTlv);
  const body = Buffer.concat([addresses, ...fields]);
  if (body.length > 0xffff) throw new NetError('ERR_NET_ARGUMENT', `proxy header of ${body.length} bytes is too long`);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  SIGNATURE.copy(prefix);
  prefix[12] = 0x21;
  prefix[13] = !isSame ? 0x00 : from.length === 4 ? 0x11 : 0x21;
  prefix.writeUInt16BE(body.length, 14);
  return Buffer.concat([prefix, body]);
}

/** Version 1, one line of text. Mixed families become UNKNOWN. */
export function encodeProxyV1(source: SocketAddress, destination: SocketAddress): Buffer {
  const isSix = source.ip.includes(':');
  if (isSix !== destination.ip.includes(':')) return Buffer.from('PROXY UNKNOWN\r\n');
  const family = isSix ? 'TCP6' : 'TCP4';
  return Buffer.from(`PROXY ${family} ${source.ip} ${destination.ip} ${source.port} ${destination.port}\r\n`);
}

/** Reads a header at the start of `bytes`. Undefined = more bytes are needed. Throws ERR_NET_MESSAGE for anything else. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  const isV2 = bytes.subarray(0, 12).equals(SIGNATURE.subarray(0, Math.min(12, bytes.length)));
  if (isV2) return bytes.length < PREFIX_BYTES ? undefined : parseV2(bytes);
  const start = Buffer.from('PROXY ');
  if (bytes.subarray(0, 6).equals(start.subarray(0, Math.min(6, bytes.length)))) return parseV1(bytes);
  throw bad('no signature');
}

function encodeTlv(tlv: ProxyTlv): Buffer {
  const head = Buffer.alloc(3);
  head[0] = tlv.type;
  head.writeUInt16BE(tlv.value.length, 1);
  return Buffer.concat([head, tlv.value]);
}

function parseV2(bytes: Buffer): ProxyHeader | undefined {
  const length = PREFIX_BYTES + bytes.readUInt16BE(14);
  const command = bytes[12];
  if (command !== 0x20 && command !== 0x21) throw bad(`version and command ${command}`);
  if (length > MAX_V2_BYTES) throw bad(`header of ${length} bytes`);
  if (bytes.length < length) return undefined;
  const family = bytes[13];
  const addressBytes = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (addressBytes === 0 && family !== 0x00) throw bad(`family ${family}`);
  const body = bytes.subarray(PREFIX_BYTES, length);
  const taken = addressBytes === 0 ? 0 : addressBytes * 2 + 4;
  if (body.length < taken) throw bad('addresses are cut');
  const hasAddresses = addressBytes !== 0 && command === 0x21;
  const at = (index: number): SocketAddress => ({
    ip: ipaddr.fromByteArray([...body.subarray(index * addressBytes, (index + 1) * addressBytes)]).toString(),
    port: body.readUInt16BE(addressBytes * 2 + index * 2),
  });
  return {
    version: 2,
    source: hasAddresses ? at(0) : undefined,
    destination: hasAddresses ? at(1) : undefined,
    tlvs: parseTlvs(body.subarray(taken)),
    length,
  };
}

function parseTlvs(bytes: Buffer): ProxyTlv[] {
  const tlvs: ProxyTlv[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 3 > bytes.length) throw bad('field is cut');
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) throw bad('field is cut');
    tlvs.push({ type: bytes[at] as number, value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return tlvs;
}

function parseV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf('\r\n');
  if (end < 0) {
    if (bytes.length >= MAX_V1_BYTES) throw bad('line too long');
    return undefined;
  }
  const words = bytes.toString('latin1', 0, end).split(' ');
  const none = { version: 1, source: undefined, destination: undefined, tlvs: [], length: end + 2 } as const;
  if (words[1] === 'UNKNOWN') return none;
  const [, family, from, to, fromPort, toPort] = words;
  if (words.length !== 6 || (family !== 'TCP4' && family !== 'TCP6')) throw bad('malformed line');
  return { ...none, source: addressIn(from, fromPort, family), destination: addressIn(to, toPort, family) };
}

function addressIn(ip: string | undefined, port: string | undefined, family: 'TCP4' | 'TCP6'): SocketAddress {
  const isRight =
    ip !== undefined && (family === 'TCP4' ? ipaddr.IPv4.isValidFourPartDecimal(ip) : ipaddr.IPv6.isValid(ip));
  const number = Number(port);
  const isPort = port !== undefined && port.length <= 5 && Number.isInteger(number) && number >= 0 && number <= 65_535;
  if (!isRight || !isPort || `${number}` !== port) throw bad('malformed address');
  return { ip, port: number };
}

function bad(what: string): NetError {
  return new NetError('ERR_NET_MESSAGE', `not a PROXY protocol header: ${what}`);
}

/** For logs: `1.2.3.4:5 -> 6.7.8.9:10`. */
export function describeProxyHeader(header: ProxyHeader): string {
  const name = (address: SocketAddress | undefined): string =>
    address === undefined ? 'unknown' : formatAddress(address);
  return `${name(header.source)} -> ${name(header.destination)}`;
}
