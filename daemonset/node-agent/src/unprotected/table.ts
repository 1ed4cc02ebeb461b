// In: the text of /proc/net/tcp and tcp6. Out: the TCP sockets in it. Pure. Called by pod-table.ts and record.ts.

import ipaddr from 'ipaddr.js';

/** One end of a connection as the kernel's table has it. */
export interface TableConnection {
  /** Local and remote address in the table's own hexadecimal form, `local>remote`. */
  readonly key: string;
  /** Number of the socket; `0` until a program has accepted it. The same addresses with another number are another connection. */
  readonly socket: string;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** States of the table (`enum` in net/tcp_states.h). */
const states = { established: '01', timeWait: '06', listening: '0A' } as const;

/** True for digits and, up to F, letters of the table; code by code, because a table may have a hundred thousand lines. */
function isHex(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (!((code >= 48 && code <= 57) || (code >= 65 && code <= 70))) return false;
  }
  return true;
}

/** Text form of an IPv4 address of the table (four bytes, each 32-bit word in the machine's little-endian order). */
function ipv4Of(hex: string): string {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
}

/** Text form of an IPv6 address of the table (four 32-bit words, each in the machine's little-endian order). */
function ipv6Of(hex: string): string {
  const words = [0, 8, 16, 24].flatMap((at) => [6, 4, 2, 0].map((byte) => hex.slice(at + byte, at + byte + 2)));
  const groups = Array.from({ length: 8 }, (_, index) => `${words[2 * index] ?? ''}${words[2 * index + 1] ?? ''}`);
  return ipaddr.IPv6.parse(groups.join(':')).toString();
}

interface End {
  readonly address: string;
  readonly port: number;
}

function endOf(text: string): End | undefined {
  const [address = '', port = '', ...rest] = text.split(':');
  if (rest.length > 0 || (address.length !== 8 && address.length !== 32) || port.length !== 4) return undefined;
  if (!isHex(address) || !isHex(port)) return undefined;
  // IPv4 mapped into IPv6: the last word is the IPv4 address.
  const isMapped = address.startsWith('0000000000000000FFFF0000');
  return {
    address: address.length === 8 ? ipv4Of(address) : isMapped ? ipv4Of(address.slice(24)) : ipv6Of(address),
    port: Number.parseInt(port, 16),
  };
}

/** A connection by its ends in the table's form and the number of its socket; undefined for texts that are none. */
export function connectionOf(local: string, remote: string, socket: string): TableConnection | undefined {
  const from = endOf(local);
  const to = endOf(remote);
  const isNumber =
    socket.length > 0 && socket.length <= 20 && socket.split('').every((digit) => digit >= '0' && digit <= '9');
  if (from === undefined || to === undefined || !isNumber) return undefined;
  return {
    key: `${local}>${remote}`,
    socket,
    localAddress: from.address,
    localPort: from.port,
    remoteAddress: to.address,
    remotePort: to.port,
  };
}

interface Line {
  readonly state: string;
  readonly connection: TableConnection;
}

/** Lines of a table. Those that cannot be read are left out. */
function linesOf(table: string): readonly Line[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', remote = '', state = '', , , , , , socket = ''] = line
        .split(' ')
        .filter((part) => part !== '');
      const connection = connectionOf(local, remote, socket);
      return connection === undefined ? [] : [{ state, connection }];
    });
}

/** What one look at a pod's tables shows. */
export interface TableView {
  /** Connections that are open in both directions. */
  readonly established: readonly TableConnection[];
  /** All ends that belong to somebody, those that are closing too. */
  readonly ends: readonly TableConnection[];
  /** Ports on which something listens: an established connection on one of them was accepted, not opened, by the pod. */
  readonly listening: ReadonlySet<number>;
}

/** Everything of some tables. */
export function viewOf(tables: readonly string[]): TableView {
  const lines = tables.flatMap((table) => linesOf(table));
  const connections = lines.filter(({ state }) => state !== states.listening && state !== states.timeWait);
  return {
    established: lines.filter(({ state }) => state === states.established).map(({ connection }) => connection),
    ends: connections.map(({ connection }) => connection),
    listening: new Set(
      lines.filter(({ state }) => state === states.listening).map(({ connection }) => connection.localPort),
    ),
  };
}
