/**
 * The text of `/etc/hosts` in; addresses by name, and answers to queries, out. Pure. Main thread at start, data threads per query.
 *
 * The forwarder of upstream looks there before it asks a name server (spec/node-proxy.md 11.6); the file is the proxy's own.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type DnsAnswer, TYPE_A, TYPE_AAAA } from './message.ts';

/** Names taken at most; a hosts file that blocks advertisements has more, and has no place in a pod. */
const MAX_NAMES = 10_000;

/** Addresses by lower-case name without a final dot. */
export function parseHostsFile(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const words = (line.split('#', 1)[0] ?? '').trim().replaceAll('\t', ' ').split(' ');
    const [address = '', ...names] = words.filter((word) => word !== '');
    if (isIP(address) === 0) continue;
    for (const spelled of names) {
      const name = (spelled.endsWith('.') ? spelled.slice(0, -1) : spelled).toLowerCase();
      const known = found.get(name);
      if (known !== undefined) known.push(address);
      else if (found.size < MAX_NAMES) found.set(name, [address]);
    }
  }
  return found;
}

/** What the file says about a name; undefined when it has no address of the family that was asked for. */
export function answersOfHosts(
  hosts: ReadonlyMap<string, readonly string[]>,
  name: string,
  type: number,
): readonly DnsAnswer[] | undefined {
  if (type !== TYPE_A && type !== TYPE_AAAA) return undefined;
  const addresses = (hosts.get(name) ?? []).filter((address) => address.includes(':') === (type === TYPE_AAAA));
  if (addresses.length === 0) return undefined;
  return addresses.map((address) => ({ name, type, address: Uint8Array.from(ipaddr.parse(address).toByteArray()) }));
}
