/**
 * Trace contexts in headers: W3C `traceparent`, B3 single and multi (spec/waypoint.md 7.4). Pure; asked by the waypoint's
 * tracing step. What does not look as it should is no context: a trace begins anew.
 */
import type { HeaderList } from './header-list.ts';

/** Where a request stands in a trace. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** Span of the caller, 16 hexadecimal digits. */
  readonly spanId: string;
  /** The caller's decision; undefined when it made none. */
  readonly isSampled: boolean | undefined;
}

/** Headers that carry a context. */
export type TraceFormat = 'w3c' | 'b3';

/** Reads a context, the preferred format first. */
export const traceContextOf = (headers: HeaderList, preferred: TraceFormat): TraceContext | undefined =>
  preferred === 'w3c' ? (fromW3c(headers) ?? fromB3(headers)) : (fromB3(headers) ?? fromW3c(headers));

/** Writes a context in the formats that the request has, and in the preferred one. */
export const setTraceContext = (
  headers: HeaderList,
  { traceId, spanId, isSampled }: TraceContext & { readonly isSampled: boolean },
  preferred: TraceFormat,
): void => {
  const hasSingle = headers.has('b3');
  const hasMulti = headers.has('x-b3-traceid');
  const flag = isSampled ? '1' : '0';
  if (preferred === 'w3c' || headers.has('traceparent'))
    headers.replace('traceparent', `00-${traceId}-${spanId}-0${flag}`);
  if (hasSingle) headers.replace('b3', `${traceId}-${spanId}-${flag}`);
  if (hasMulti || (preferred === 'b3' && !hasSingle)) {
    headers.replace('x-b3-traceid', traceId);
    headers.replace('x-b3-spanid', spanId);
    headers.replace('x-b3-sampled', flag);
    headers.remove('x-b3-parentspanid');
  }
};

const fromW3c = (headers: HeaderList): TraceContext | undefined => {
  const [version, traceId, spanId, flags, ...rest] = headers.get('traceparent')?.split('-') ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Later versions may add parts; the first four keep their meaning (W3C Trace Context 3.2).
  if (!isHex(version, 2) || version === 'ff' || (version === '00' && rest.length > 0)) return undefined;
  if (!isHex(flags, 2)) return undefined;
  return contextOf(traceId, spanId, (Number.parseInt(flags, 16) & 1) === 1);
};

const fromB3 = (headers: HeaderList): TraceContext | undefined => {
  const single = headers.get('b3');
  if (single !== undefined) {
    const [traceId, spanId, flag] = single.split('-');
    if (traceId === undefined || spanId === undefined) return undefined;
    return contextOf(widened(traceId), spanId, sampledOf(flag));
  }
  const traceId = headers.get('x-b3-traceid');
  const spanId = headers.get('x-b3-spanid');
  if (traceId === undefined || spanId === undefined) return undefined;
  const isForced = headers.get('x-b3-flags') === '1';
  return contextOf(widened(traceId), spanId, isForced ? true : sampledOf(headers.get('x-b3-sampled')));
};

/** Traces of 64 bits exist in B3. */
const widened = (traceId: string): string => (traceId.length === 16 ? `${'0'.repeat(16)}${traceId}` : traceId);

const sampledOf = (flag: string | undefined): boolean | undefined => {
  if (flag === '1' || flag === 'd' || flag === 'true') return true;
  return flag === '0' || flag === 'false' ? false : undefined;
};

const contextOf = (traceId: string, spanId: string, isSampled: boolean | undefined): TraceContext | undefined => {
  const [trace, span] = [traceId.toLowerCase(), spanId.toLowerCase()];
  if (!isHex(trace, 32) || !isHex(span, 16) || isZero(trace) || isZero(span)) return undefined;
  return { traceId: trace, spanId: span, isSampled };
};

const isHex = (text: string, length: number): boolean => {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    const isDigit = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
    if (!isDigit) return false;
  }
  return true;
};

const isZero = (text: string): boolean => text === '0'.repeat(text.length);
