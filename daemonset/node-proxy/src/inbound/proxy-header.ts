/**
 * Addresses and an identity in; the bytes of a PROXY protocol v2 header out. Pure; used by `forward.ts`.
 *
 * What an application tunnel of kind PROXY gets first (spec/node-proxy.md 3.2.6; HAProxy PROXY protocol section 2.2).
 */
import type { IpPort } from '@ambit/state';
import ipaddr from 'ipaddr.js';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const COMMAND_PROXY = 0x21;
const TRANSPORT = { unspecified: 0x00, ipv4: 0x11, ipv6: 0x21 } as const;
/** Type of the TLV that carries the source identity. */
const TLV_IDENTITY = 0xd0;

/** The header. Addresses of different families are sent as unspecified. */
export function proxyHeaderBytes(source: IpPort, destination: IpPort, identity: string | undefined): Buffer {
  const from = Buffer.from(ipaddr.parse(source.ip).toByteArray());
  const to = Buffer.from(ipaddr.parse(destination.ip).toByteArray());
  const sameFamily = from.length === to.length;
  const addresses = sameFamily ? Buffer.concat([from, to, ports(source.port, destination.port)]) : Buffer.alloc(0);
  const transport = !sameFamily ? TRANSPORT.unspecified : from.length === 4 ? TRANSPORT.ipv4 : TRANSPORT.ipv6;
  const body = Buffer.concat([addresses, identity === undefined ? Buffer.alloc(0) : tlv(identity)]);
  const head = Buffer.from([COMMAND_PROXY, transport, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([SIGNATURE, head, body]);
}

function ports(source: number, destination: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(source, 0);
  bytes.writeUInt16BE(destination, 2);
  return bytes;
}

function tlv(identity: string): Buffer {
  const value = Buffer.from(identity);
  return Buffer.concat([Buffer.from([TLV_IDENTITY, value.length >> 8, value.length & 0xff]), value]);
}
