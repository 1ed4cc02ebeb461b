/**
 * Heads as bytes (RFC 9112 3-5). In: start line and fields. Out: text, one character per byte. Pure; called by server.ts and
 * client.ts. A value that would break the line is never written: it throws, and the message is not sent.
 */
import { STATUS_CODES } from 'node:http';
import type { HeaderList } from '@ambit/l7';
import { WaypointError } from '../../errors.ts';

/** Words of statuses where upstream's differ from Node's (golden envoy-http). */
const reasons: Readonly<Record<number, string>> = { 418: 'Unknown' };

/** Reason phrase of a status. */
export const reasonOf = (status: number): string => reasons[status] ?? STATUS_CODES[status] ?? 'Unknown';

/** `HTTP/1.x status reason`, the fields, and the empty line. */
export const responseHead = (minor: 0 | 1, status: number, headers: HeaderList): string =>
  `HTTP/1.${minor} ${status} ${reasonOf(status)}\r\n${fieldLines(headers)}\r\n`;

/** `method target HTTP/1.1`, `host`, the other fields, and the empty line. */
export const requestHead = (method: string, target: string, host: string, headers: HeaderList): string => {
  if (hasBreak(target) || hasBreak(host) || hasBreak(method)) throw brokenLine('the request line');
  return `${method} ${target} HTTP/1.1\r\n${headers.spelling('host')}: ${host}\r\n${fieldLines(headers)}\r\n`;
};

const fieldLines = (headers: HeaderList): string => {
  const text = headers.lines();
  // One look over all of it: as many line breaks as fields, and nothing else that a value must not hold.
  let breaks = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) breaks += 1;
  let returns = 0;
  for (let at = text.indexOf('\r'); at !== -1; at = text.indexOf('\r', at + 1)) returns += 1;
  if (breaks === headers.size && returns === headers.size && !text.includes('\0')) return text;
  throw brokenLine('a field');
};

/** Trailers after the last chunk, and the end of the body. */
export const lastChunk = (trailers: readonly string[]): string => {
  let text = '0\r\n';
  for (let index = 0; index + 1 < trailers.length; index += 2) {
    const value = trailers[index + 1] as string;
    if (!hasBreak(value)) text += `${trailers[index] as string}: ${value}\r\n`;
  }
  return `${text}\r\n`;
};

const hasBreak = (text: string): boolean => text.includes('\n') || text.includes('\r') || text.includes('\0');

const brokenLine = (where: string): WaypointError =>
  new WaypointError('ERR_WAYPOINT_UPSTREAM', `a line break in ${where}`);
