// In: batches of flows from the data threads. Out: one stream to the control plane, kept up for ever, and what it wants.
// Called by: app.ts of node proxy and waypoint, when an address is configured. Main thread. A control plane that is slow, away, or knows
// nothing of this costs the proxy a bounded queue and nothing else.
import { type ClientDuplexStream, makeClientConstructor, Metadata, status as grpcStatus } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import { grpcService } from '@ambit/proto/grpc';
import { type ReportControl, type ReportRequest, ReportRequestSchema, Telemetry } from '@ambit/proto/telemetry';
import { createBackoff } from '@ambit/runtime/backoff';
import { background } from '@ambit/runtime/background';
import { type Clock, sleep, systemClock } from '@ambit/runtime/clock';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { channelSecurity, type CredentialsSource } from '../client/credentials.ts';
import type { FlowBatch } from '../flow-buffer.ts';
import { flowMessage } from './flow-message.ts';

/** Settings of {@link createFlowReporter}. */
export interface FlowReporterOptions {
  /** `host:port` of the control plane. */
  readonly address: string;
  /** As of the xDS stream. */
  readonly credentials: CredentialsSource;
  /** `pod.namespace`. */
  readonly name: string;
  /** Told how many flows a second are wanted, 0 = none; also when the stream is lost. */
  readonly onLimit: (maxPerSecond: number) => void;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** A running reporter. */
export interface FlowReporter {
  /** Sends a batch, or drops it and counts when the reader is slow or away. Never waits. */
  report(batch: FlowBatch): void;
  destroy(): void;
}

/** Batches that may wait for a slow reader. */
const MAX_WAITING = 16;
/** A control plane without this service is asked again after an upgrade at the latest. */
const UNIMPLEMENTED_RETRY_MS = 600_000;
/** A stream that lived this long proves the server well. */
const STEADY_MS = 5000;

const TelemetryClient = makeClientConstructor(grpcService(Telemetry), 'Telemetry');
type ReportCall = ClientDuplexStream<ReportRequest, ReportControl>;

/** Starts a reporter: connects at once and stays connected until destroyed. */
export function createFlowReporter(options: FlowReporterOptions): FlowReporter {
  const { address, name, onLimit, log, clock = systemClock } = options;
  const backoff = createBackoff({ initialMs: 500, maxMs: 30_000, jitter: 0.2 });
  const ending = new AbortController();
  let call: ReportCall | undefined;
  let waiting: FlowBatch[] = [];
  let isBlocked = false;
  let dropped = 0;

  const send = ({ flows, dropped: lost }: FlowBatch): void => {
    const message = create(ReportRequestSchema, { flows: flows.map(flowMessage), dropped: lost + dropped });
    dropped = 0;
    if (call?.write(message) === false) isBlocked = true;
  };
  const drain = (): void => {
    isBlocked = false;
    while (!isBlocked) {
      const batch = waiting.shift();
      if (batch === undefined) return;
      send(batch);
    }
  };
  const drop = ({ flows, dropped: lost }: FlowBatch): void => {
    dropped += flows.length + lost;
  };

  /** One stream, from opening to its end. Resolves with the code of its status. */
  const runStream = async (): Promise<{ readonly code: grpcStatus; readonly details: string }> => {
    const credentials = await options.credentials();
    ending.signal.throwIfAborted();
    const security = channelSecurity(credentials, address);
    const client = new TelemetryClient(address, security.credentials, {
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      ...security.options,
    });
    const metadata = new Metadata();
    for (const [header, value] of Object.entries(credentials.headers)) metadata.set(header, value);
    // The constructor types its methods as bare functions; the method table says what this one is.
    const open = client['report'] as (metadata: Metadata) => ReportCall;
    const current = open.call(client, metadata);
    call = current;
    const cancel = (): void => current.cancel();
    ending.signal.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise((resolve) => {
        current.on('data', ({ maxFlowsPerSecond }: ReportControl) => onLimit(maxFlowsPerSecond));
        current.on('drain', drain);
        // The status event carries the same; without a listener the error would be thrown.
        current.on('error', () => undefined);
        current.on('status', resolve);
        current.write(create(ReportRequestSchema, { reporter: name }));
      });
    } finally {
      ending.signal.removeEventListener('abort', cancel);
      call = undefined;
      for (const batch of waiting) drop(batch);
      waiting = [];
      isBlocked = false;
      onLimit(0);
      client.close();
    }
  };

  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const startedMs = clock.now();
      const end = await runStream().catch((error: unknown) => ({
        code: grpcStatus.UNKNOWN,
        details: messageOf(error),
      }));
      if (ending.signal.aborted) return;
      if (clock.now() - startedMs > STEADY_MS) backoff.reset();
      const isUnknown = end.code === grpcStatus.UNIMPLEMENTED;
      if (isUnknown) log.info('the control plane takes no flows', { address });
      else log.debug('flow stream ended', { address, code: grpcStatus[end.code], details: end.details });
      await sleep(isUnknown ? UNIMPLEMENTED_RETRY_MS : backoff.next(), { clock, signal: ending.signal }).catch(
        () => undefined,
      );
    }
  };
  background(log, 'flow reporter', run());

  return {
    report(batch) {
      if (call === undefined || (isBlocked && waiting.length >= MAX_WAITING)) drop(batch);
      else if (isBlocked) waiting.push(batch);
      else send(batch);
    },
    destroy: () => ending.abort(),
  };
}
