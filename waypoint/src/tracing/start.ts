/**
 * The trace of a request: taken over from its headers or begun here, and told to the backend (spec/waypoint.md 7.4).
 * Called by filters/order.ts once per request where the mesh has a tracing provider; data thread.
 */
import { type HeaderList, setTraceContext, traceContextOf } from '@ambit/l7';
import type { TracingProvider } from '@ambit/proto/waypoint';
import { randomFillSync } from 'node:crypto';
import type { RequestTrace } from './span.ts';
import type { SpanTags } from './tags.ts';

/** How requests are traced; from the mesh's provider and the Telemetry policies that apply. */
export interface Tracing {
  readonly provider: TracingProvider;
  /** Share of new traces that are reported, 0 to 100. */
  readonly samplingPercent: number;
  readonly isReported: boolean;
  readonly isPropagated: boolean;
  /** Tags of users. */
  readonly tags: SpanTags;
  /** Whether spans say which workloads take part. */
  readonly hasIstioTags: boolean;
}

const ids = Buffer.alloc(24 * 64);
let used = ids.length;

/** Random digits, made in advance for many requests. */
const randomHex = (bytes: number): string => {
  if (used + bytes > ids.length) {
    randomFillSync(ids);
    used = 0;
  }
  used += bytes;
  return ids.toString('hex', used - bytes, used);
};

/** Begins the span of a request, and writes it into the headers that go to the backend. */
export const startTrace = (headers: HeaderList, tracing: Tracing, random: () => number): RequestTrace => {
  const format = tracing.provider.zipkin ? 'b3' : 'w3c';
  const parent = traceContextOf(headers, format);
  const isSampled = parent?.isSampled ?? random() * 100 < tracing.samplingPercent;
  const trace: RequestTrace = {
    traceId: parent?.traceId ?? randomHex(16),
    spanId: randomHex(8),
    parentId: parent?.spanId,
    isSampled: isSampled && tracing.isReported,
  };
  if (tracing.isPropagated) setTraceContext(headers, { ...trace, isSampled }, format);
  return trace;
};
