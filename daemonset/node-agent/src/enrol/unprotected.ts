// In: the text of /proc/net/tcp at and after an enrolment. Out: which connections from before are still open. Pure, apart from the
// class that remembers. Called by sequence.ts; decisions W19.

import ipaddr from 'ipaddr.js';

/** One TCP connection as the kernel's table names it: local and remote address in the table's own hexadecimal form. */
export interface TableConnection {
  readonly key: string;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

const established = '01';
const listening = '0A';

/** Text form of an IPv4 address of the table (four bytes, each 32-bit word in the machine's little-endian order). */
export function ipv4Of(hex: string): string {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
}

/** Text form of an IPv6 address of the table (four 32-bit words, each in the machine's little-endian order). */
export function ipv6Of(hex: string): string {
  const words = [0, 8, 16, 24].flatMap((at) => [6, 4, 2, 0].map((byte) => hex.slice(at + byte, at + byte + 2)));
  const groups = Array.from({ length: 8 }, (_, index) => `${words[2 * index] ?? ''}${words[2 * index + 1] ?? ''}`);
  return ipaddr.IPv6.isValid(groups.join(':')) ? ipaddr.IPv6.parse(groups.join(':')).toString() : hex;
}

function endpointOf(text: string): { readonly address: string; readonly port: number } {
  const [address = '', port = '0'] = text.split(':');
  // IPv4 mapped into IPv6: the last word is the IPv4 address.
  const isMapped = address.length === 32 && address.startsWith('0000000000000000FFFF0000');
  return {
    address: address.length === 8 ? ipv4Of(address) : isMapped ? ipv4Of(address.slice(24)) : ipv6Of(address),
    port: Number.parseInt(port, 16),
  };
}

function linesOf(table: string, wanted: string): readonly (readonly [string, string])[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local, remote, state] = line
        .trim()
        .split(' ')
        .filter((part) => part !== '');
      return local === undefined || remote === undefined || state !== wanted ? [] : [[local, remote] as const];
    });
}

/** Ports on which something listens. */
export function listeningPortsOf(table: string): ReadonlySet<number> {
  return new Set(linesOf(table, listening).map(([local]) => endpointOf(local).port));
}

/** Established connections of a table. Lines that cannot be read are left out. */
export function connectionsOf(table: string): readonly TableConnection[] {
  return linesOf(table, established).flatMap(([local, remote]) => {
    const from = endpointOf(local);
    const to = endpointOf(remote);
    return [
      {
        key: `${local}>${remote}`,
        localAddress: from.address,
        localPort: from.port,
        remoteAddress: to.address,
        remotePort: to.port,
      },
    ];
  });
}

const isInsidePod = ({ localAddress, remoteAddress }: TableConnection): boolean =>
  remoteAddress.startsWith('127.') && localAddress.startsWith('127.');

/** Remembers, per pod, the connections that were open when it was enrolled. */
export class UnprotectedConnections {
  readonly #open = new Map<string, ReadonlyMap<string, TableConnection>>();

  /** Notes what is open now; called once, before the rules are installed. Connections inside the pod itself do not count. */
  begin(
    uid: string,
    connections: readonly TableConnection[],
    isOwn: (connection: TableConnection) => boolean = (connection) => !isInsidePod(connection),
  ): void {
    if (this.#open.has(uid)) return;
    this.#open.set(uid, new Map(connections.filter(isOwn).map((connection) => [connection.key, connection])));
  }

  /** Forgets those that have ended. Returns how many are left; 0 for pods that are not known. */
  refresh(uid: string, connections: readonly TableConnection[]): number {
    const open = this.#open.get(uid);
    if (open === undefined) return 0;
    const now = new Set(connections.map(({ key }) => key));
    const left = new Map([...open].filter(([key]) => now.has(key)));
    this.#open.set(uid, left);
    return left.size;
  }

  /** Those of a pod as of the last refresh. */
  of(uid: string): readonly TableConnection[] {
    return [...(this.#open.get(uid)?.values() ?? [])];
  }

  /** Number of a pod as of the last refresh. */
  count(uid: string): number {
    return this.#open.get(uid)?.size ?? 0;
  }

  /** Number over all pods. */
  total(): number {
    return [...this.#open.values()].reduce((sum, open) => sum + open.size, 0);
  }

  forget(uid: string): void {
    this.#open.delete(uid);
  }
}
