// The `traceparent` header of CONNECT: one id per application connection, for the logs of both proxies. Pure but for
// randomness (spec node-proxy 2.5; W3C Trace Context 3.2).
import { randomFillSync } from 'node:crypto';

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const ID_BYTES = TRACE_ID_BYTES + SPAN_ID_BYTES;
/** Random bytes for this many headers are asked for at once: a call for each is dearer than the header. */
const HEADERS_AT_ONCE = 128;

const random = Buffer.alloc(ID_BYTES * HEADERS_AT_ONCE);
let used = random.length;

/** A new header value. Its trace id is the connection id in logs. */
export function newTraceparent(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  const traceId = random.toString('hex', used, used + TRACE_ID_BYTES);
  const spanId = random.toString('hex', used + TRACE_ID_BYTES, used + ID_BYTES);
  used += ID_BYTES;
  return `00-${traceId}-${spanId}-00`;
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
