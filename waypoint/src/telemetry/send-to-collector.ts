/**
 * Bytes for a collector -> its backend, over gRPC or HTTP (spec/waypoint.md 7.3, 7.4). In: an encoded batch. Out: nothing, or an error
 * that says what the collector answered. Used by tracing/exporter.ts and otlp-logs.ts; data thread.
 */
import { HeaderList } from '@ambit/l7';
import type { Snapshot } from '@ambit/state';
import type { CompiledConfig } from '../updates/compiled-config.ts';
import type { CallBackend } from '../upstream/call-backend.ts';
import { grpcFrame } from '../upstream/grpc-unary.ts';

const timeoutMs = 10_000;
const maxResponseBytes = 64 * 1024;

/** What senders need from their data thread. */
export interface CollectorOptions {
  readonly call: CallBackend;
  readonly config: () => CompiledConfig;
  readonly snapshot: () => Snapshot;
  readonly random: () => number;
}

/** One batch. */
export interface CollectorBatch {
  /** Key of the collector's backend. */
  readonly backend: string;
  /** Path; of the method for gRPC. */
  readonly target: string;
  readonly contentType: 'application/grpc' | 'application/json' | 'application/x-protobuf';
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

/** Sends a batch; rejects when the collector did not take it. */
export const sendToCollector = async (
  { call, config, snapshot, random }: CollectorOptions,
  { backend: key, target, contentType, headers: given, bytes }: CollectorBatch,
): Promise<void> => {
  const current = config();
  const backend = current.backend(key);
  if (backend === undefined) throw new Error(`backend ${key} is not known`);
  const isGrpc = contentType === 'application/grpc';
  const headers = HeaderList.fromRaw(['content-type', contentType, ...Object.entries(given).flat()]);
  const body = isGrpc ? grpcFrame(bytes) : bytes;
  if (isGrpc) headers.append('te', 'trailers');
  else headers.append('content-length', String(body.byteLength));
  const answer = await call({
    backend,
    config: current,
    snapshot: snapshot(),
    random,
    method: 'POST',
    target,
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
    throw new Error(`the collector ${key} answered ${answer.status}, grpc-status ${grpcStatus}`);
};
