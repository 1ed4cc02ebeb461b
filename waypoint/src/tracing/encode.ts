/** Spans as bytes for collectors: OTLP protobuf and Zipkin JSON v2 (spec/waypoint.md 7.4). Pure; called by exporter.ts. */
import { create, toBinary } from '@bufbuild/protobuf';
import { ExportTraceServiceRequestSchema } from '@ambit/proto/trace';
import type { Span } from './span.ts';

/** OTLP's SPAN_KIND_SERVER. */
const kindServer = 2;
/** OTLP's STATUS_CODE_ERROR. */
const statusError = 2;

/** An ExportTraceServiceRequest. */
export const encodeOtlp = (spans: readonly Span[], serviceName: string): Uint8Array =>
  toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, {
      resourceSpans: [
        {
          resource: { attributes: [attributeOf('service.name', serviceName)] },
          scopeSpans: [
            {
              spans: spans.map((span) => ({
                traceId: Buffer.from(span.traceId, 'hex'),
                spanId: Buffer.from(span.spanId, 'hex'),
                parentSpanId: Buffer.from(span.parentId ?? '', 'hex'),
                name: span.name,
                kind: kindServer,
                startTimeUnixNano: nanosOf(span.startMs),
                endTimeUnixNano: nanosOf(span.startMs + span.durationMs),
                attributes: span.tags.map(([name, value]) => attributeOf(name, value)),
                status: span.isError ? { code: statusError } : {},
              })),
            },
          ],
        },
      ],
    }),
  );

/** An attribute with a text. */
export const attributeOf = (key: string, text: string) => ({
  key,
  value: { value: { case: 'stringValue' as const, value: text } },
});

/** Milliseconds of the epoch in nanoseconds. */
export const nanosOf = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;

/** A list of Zipkin v2 spans. */
export const encodeZipkin = (spans: readonly Span[], serviceName: string): Uint8Array =>
  Buffer.from(
    JSON.stringify(
      spans.map((span) => ({
        traceId: span.traceId,
        id: span.spanId,
        ...(span.parentId === undefined ? {} : { parentId: span.parentId }),
        name: span.name,
        kind: 'SERVER',
        timestamp: Math.round(span.startMs * 1000),
        duration: Math.max(1, Math.round(span.durationMs * 1000)),
        localEndpoint: { serviceName },
        tags: Object.fromEntries(span.tags),
      })),
    ),
  );
