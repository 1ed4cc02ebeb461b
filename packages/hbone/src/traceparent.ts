// The `traceparent` header of CONNECT: one id per application connection, for the logs of both proxies. Pure but for
// randomness (spec node-proxy 2.5; W3C Trace Context 3.2).
import { randomBytes } from 'node:crypto';

/** A new header value. Its trace id is the connection id in logs. */
export function newTraceparent(): string {
  const bytes = randomBytes(24).toString('hex');
  return `00-${bytes.slice(0, 32)}-${bytes.slice(32)}-00`;
}

/** The trace id of a header, or undefined when it is not a traceparent. Never throws. */
export function traceIdOf(header: string | undefined): string | undefined {
  if (header?.length !== 55) return undefined;
  const groups = header.split('-');
  const lengths = [2, 32, 16, 2];
  if (groups.length !== 4 || !groups.every((group, i) => group.length === lengths[i] && isHex(group))) return undefined;
  return groups[1];
}

function isHex(text: string): boolean {
  for (const c of text) if (!'0123456789abcdefABCDEF'.includes(c)) return false;
  return true;
}
