/** Address blocks of policies -> a test over textual addresses; IPv4-mapped IPv6 counts as IPv4 (spec/waypoint.md 4.1.3). */
import type { Cidr } from '@ambit/proto/waypoint';
import ipaddr from 'ipaddr.js';
import { L7Error } from '../errors.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Compiles blocks that are alternatives; undefined for an empty list. Throws ERR_L7_CIDR. */
export const compileCidrs = (blocks: readonly Cidr[]): ((ip: string | undefined) => boolean) | undefined => {
  if (blocks.length === 0) return undefined;
  const parsed = blocks.map(parseBlock);
  return (ip) => {
    const address = ip === undefined ? undefined : parseAddress(ip);
    if (address === undefined) return false;
    return parsed.some(([base, length]) => base.kind() === address.kind() && address.match(base as never, length));
  };
};

const parseBlock = (block: Cidr): readonly [Address, number] => {
  let address: Address;
  try {
    address = ipaddr.fromByteArray([...block.address]);
  } catch (cause) {
    throw new L7Error('ERR_L7_CIDR', `address block of ${block.address.length} bytes`, { cause });
  }
  const bits = block.address.length * 8;
  if (block.length > bits) throw new L7Error('ERR_L7_CIDR', `prefix length ${block.length} exceeds ${bits} bits`);
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && block.length >= 96) {
    return [address.toIPv4Address(), block.length - 96];
  }
  return [address, block.length];
};

const parseAddress = (ip: string): Address | undefined => {
  if (!ipaddr.isValid(ip)) return undefined;
  const address = ipaddr.parse(ip);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
};
