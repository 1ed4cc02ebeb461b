/**
 * What is known about one request, from its first byte to its last (spec/waypoint.md 7.1, 7.3).
 * Created when a request starts, filled by filters and router, completed exactly once; then the access log line and the
 * metrics are made from it. Data thread.
 */
import type { HeaderList, ResponseFlag } from '@ambit/l7';
import type { Backend } from '@ambit/proto/waypoint';
import { type GrpcCall, GrpcMessages } from './grpc-messages.ts';
import type { RequestTrace } from '../tracing/span.ts';
import type { UpstreamEndpoint } from '../upstream/pick.ts';
import type { Tunnel } from '../hbone-in/tunnel.ts';

/** Facts that are known at the start. */
export interface RequestStart {
  readonly tunnel: Tunnel;
  readonly protocol: string;
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly userAgent: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly requestHeaderBytes: number;
  /** As received. */
  readonly headers: HeaderList;
  readonly isGrpc: boolean;
}

/** Called once per request. */
export type RecordSink = (record: RequestRecord) => void;

/** One request. Fields are filled as they become known; nothing changes after `complete`. */
export class RequestRecord {
  readonly start: RequestStart;
  readonly startedAtMs = Date.now();
  readonly #startedAt = performance.now();
  readonly #sink: RecordSink;
  #isComplete = false;
  requestId: string | undefined;
  /** Path after rewrites is not logged; this is the normalized one. */
  path: string;
  routeName: string | undefined;
  backend: Backend | undefined;
  endpoint: UpstreamEndpoint | undefined;
  /** 0 while the client has got nothing. */
  status = 0;
  details: string | undefined;
  terminationDetails: string | undefined;
  transportFailure: string | undefined;
  readonly flags = new Set<ResponseFlag>();
  requestBodyBytes = 0;
  responseBodyBytes = 0;
  responseHeaderBytes = 0;
  responseHeaders: HeaderList | undefined;
  /** Where the request stands in a trace; undefined where nothing is traced. */
  trace: RequestTrace | undefined;
  /** What the decisions were based on, for the debug log. */
  readonly explanation: Record<string, string> = {};
  attempts = 0;
  upstreamServiceMs: number | undefined;
  grpcStatus: string | undefined;
  /** Undefined for what is no gRPC. */
  readonly grpc: GrpcCall | undefined;
  /** Milliseconds from the start to the completion. */
  durationMs = 0;

  constructor(start: RequestStart, sink: RecordSink) {
    this.start = start;
    this.path = start.path;
    this.grpc = start.isGrpc ? { request: new GrpcMessages(), response: new GrpcMessages() } : undefined;
    this.#sink = sink;
  }

  /** Milliseconds since the start. */
  elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Ends the record; later calls do nothing. */
  complete(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.durationMs = this.elapsedMs();
    this.#sink(this);
  }
}
