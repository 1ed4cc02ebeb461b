/**
 * Finished spans -> a collector, in batches (spec/waypoint.md 7.4). Made by threads/data-plane.ts; data thread.
 * Never holds a request up: when the collector is slow or away, spans are dropped and counted.
 */
import { HeaderList } from '@ambit/l7';
import type { TracingProvider } from '@ambit/proto/waypoint';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { Snapshot } from '@ambit/state';
import type { CompiledConfig } from '../updates/compiled-config.ts';
import type { CallBackend } from '../upstream/call-backend.ts';
import { grpcFrame } from '../upstream/grpc-unary.ts';
import { encodeOtlp, encodeZipkin } from './encode.ts';
import type { Span } from './span.ts';

/** Spans of one batch. */
const batchSpans = 512;
/** A batch waits this long for more spans. */
const batchMs = 5000;
/** Spans that wait while a batch is under way. */
const maxWaiting = 2048;
const timeoutMs = 10_000;
const maxResponseBytes = 64 * 1024;

const otlpPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** Sends spans. */
export interface SpanExporter {
  /** Takes a span of a provider; it is sent later, or dropped. */
  add(span: Span, provider: TracingProvider): void;
  /** Sends what waits, now. */
  flush(): Promise<void>;
  close(): void;
  /** Spans that were dropped so far. */
  readonly dropped: number;
}

/** What the exporter needs from its data thread. */
export interface SpanExporterOptions {
  readonly call: CallBackend;
  readonly config: () => CompiledConfig;
  readonly snapshot: () => Snapshot;
  /** `service.name` of the spans. */
  readonly serviceName: () => string;
  readonly random: () => number;
  readonly log: Logger;
}

/** Makes the exporter of a data thread. */
export const createSpanExporter = (options: SpanExporterOptions): SpanExporter => {
  let waiting: { readonly span: Span; readonly provider: TracingProvider }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let dropped = 0;
  let sending: Promise<void> | undefined;

  const sendAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const { provider } = waiting[0] as { provider: TracingProvider };
      const batch = waiting.filter((one) => one.provider === provider).slice(0, batchSpans);
      const taken = new Set(batch);
      waiting = waiting.filter((one) => !taken.has(one));
      const spans = batch.map(({ span }) => span);
      try {
        await send(spans, provider, options);
      } catch (error) {
        dropped += spans.length;
        options.log.warn('spans were dropped', {
          backend: provider.backend,
          spans: spans.length,
          error: messageOf(error),
        });
      }
    }
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
    return sending;
  };
  return {
    add: (span, provider) => {
      if (waiting.length >= maxWaiting) {
        dropped += 1;
        return;
      }
      waiting.push({ span, provider });
      if (waiting.length >= batchSpans) void flush();
      else timer ??= setTimeout(() => void flush(), batchMs).unref();
    },
    flush,
    close: () => clearTimeout(timer),
    get dropped() {
      return dropped;
    },
  };
};

const send = async (
  spans: readonly Span[],
  provider: TracingProvider,
  { call, config, snapshot, serviceName, random }: SpanExporterOptions,
): Promise<void> => {
  const current = config();
  const backend = current.backend(provider.backend);
  if (backend === undefined) throw new Error(`backend ${provider.backend} is not known`);
  const isGrpc = !provider.http && !provider.zipkin;
  const bytes = provider.zipkin ? encodeZipkin(spans, serviceName()) : encodeOtlp(spans, serviceName());
  const type = provider.zipkin ? 'application/json' : isGrpc ? 'application/grpc' : 'application/x-protobuf';
  const headers = HeaderList.fromRaw(['content-type', type, ...Object.entries(provider.headers).flat()]);
  const body = isGrpc ? grpcFrame(bytes) : bytes;
  if (isGrpc) headers.append('te', 'trailers');
  else headers.append('content-length', String(body.byteLength));
  const answer = await call({
    backend,
    config: current,
    snapshot: snapshot(),
    random,
    method: 'POST',
    target: isGrpc ? otlpPath : provider.path || (provider.zipkin ? '/api/v2/spans' : '/v1/traces'),
    authority: backend.hostname,
    headers,
    body,
    isHttp2: isGrpc,
    isRepeatable: true,
    timeoutMs,
    maxResponseBytes,
  });
  const grpcStatus = answer.trailers.get('grpc-status') ?? answer.headers.get('grpc-status') ?? '0';
  if (answer.status < 200 || answer.status > 299 || grpcStatus !== '0')
    throw new Error(`the collector answered ${answer.status}, grpc-status ${grpcStatus}`);
};
