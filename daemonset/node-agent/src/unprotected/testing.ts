// Lines of /proc/net/tcp for the tests of this folder. In: ends as people write them. Out: the kernel's form.
import ipaddr from 'ipaddr.js';
import { type TableConnection, viewOf } from './table.ts';

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');

/** `10.0.0.1:80` or `[fd00::1]:80` in the table's form. */
export function endText(end: string): string {
  const at = end.lastIndexOf(':');
  const bytes = ipaddr.parse(end.slice(0, at).replace('[', '').replace(']', '')).toByteArray();
  const words = Array.from({ length: bytes.length / 4 }, (_, word) => bytes.slice(4 * word, 4 * word + 4).toReversed());
  return `${words
    .flat()
    .map((byte) => hex(byte, 2))
    .join('')}:${hex(Number(end.slice(at + 1)), 4)}`;
}

/** One line; `socket`: the socket's number. */
export const tableLine = (local: string, remote: string, state = '01', socket = 1): string =>
  `   0: ${endText(local)} ${endText(remote)} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${socket} 1 0\n`;

/** A table of lines. */
export const tableOf = (...lines: readonly string[]): string =>
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n${lines.join('')}`;

/** An established connection. */
export function openConnection(local: string, remote: string, socket = 1): TableConnection {
  const [connection] = viewOf([tableOf(tableLine(local, remote, '01', socket))]).established;
  if (connection === undefined) throw new Error(`${local} ${remote} is no connection`);
  return connection;
}
