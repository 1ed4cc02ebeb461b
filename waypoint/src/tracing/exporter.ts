/**
 * Finished spans -> a collector, in batches (spec/waypoint.md 7.4). Made by threads/data-plane.ts; data thread.
 * Never holds a request up: when the collector is slow or away, spans are dropped and counted.
 */
import type { TracingProvider } from '@ambit/proto/waypoint';
import type { Logger } from '@ambit/runtime/log';
import { BatchQueue } from '../telemetry/batch-queue.ts';
import { type CollectorOptions, sendToCollector } from '../telemetry/send-to-collector.ts';
import { encodeOtlp, encodeZipkin } from './encode.ts';
import type { Span } from './span.ts';

const otlpPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** What the exporter needs from its data thread. */
export interface SpanExporterOptions extends CollectorOptions {
  /** `service.name` of the spans. */
  readonly serviceName: () => string;
  readonly onDropped: (count: number) => void;
  readonly log: Logger;
}

/** Makes the exporter of a data thread. */
export const createSpanExporter = (options: SpanExporterOptions): BatchQueue<Span, TracingProvider> =>
  new BatchQueue({
    send: (spans, provider) => sendSpans(spans, provider, options),
    onDropped: options.onDropped,
    waitMs: 5000,
    what: 'spans',
    log: options.log,
  });

const sendSpans = async (
  spans: readonly Span[],
  { backend, http, zipkin, path, headers }: TracingProvider,
  options: SpanExporterOptions,
): Promise<void> => {
  const isGrpc = !http && !zipkin;
  const name = options.serviceName();
  await sendToCollector(options, {
    backend,
    target: isGrpc ? otlpPath : path || (zipkin ? '/api/v2/spans' : '/v1/traces'),
    contentType: zipkin ? 'application/json' : isGrpc ? 'application/grpc' : 'application/x-protobuf',
    headers,
    bytes: zipkin ? encodeZipkin(spans, name) : encodeOtlp(spans, name),
  });
};
