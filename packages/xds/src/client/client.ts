// In: an address, credentials and one handler per type. Out: stores kept up to date, for ever. Path 3, step 1.
// Called by: app.ts of node proxy and waypoint. Owns one stream at a time; close() or destroy() ends it. Main thread.
// Sources: spec node-proxy 4.1 to 4.8.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChannelOptions } from '@grpc/grpc-js';
import { type MessageInitShape, create } from '@bufbuild/protobuf';
import { NodeSchema } from '@ambit/proto/discovery';
import { background } from '@ambit/runtime/background';
import { type Backoff, createBackoff } from '@ambit/runtime/backoff';
import { type Clock, sleep, systemClock } from '@ambit/runtime/clock';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { XdsError } from '../errors.ts';
import type { AnyResourceHandler } from '../resource-type.ts';
import type { CredentialsSource } from './credentials.ts';
import { createDeltaStream } from './delta-stream.ts';
import { type DemandResult, type SubscriptionMode, createSubscription, isHeld } from './subscription.ts';
import { type AdsStream, type StreamEnd, openAdsStream } from './transport.ts';

/** One type that the client keeps up to date. */
export interface SubscriptionOptions {
  /** Made by `anyHandler(handler)`. */
  readonly handler: AnyResourceHandler;
  readonly mode: SubscriptionMode;
  /** Names asked for from the start (on-demand types). */
  readonly names?: readonly string[];
  /** Name to version of what the store already holds, restored from a cache. */
  readonly heldVersions?: ReadonlyMap<string, string>;
}

/** Settings of {@link createXdsClient}. */
export interface XdsClientOptions {
  /** `host:port` of the control plane, with or without a scheme; the name is resolved again for each connection. */
  readonly address: string;
  readonly credentials: CredentialsSource;
  readonly node: MessageInitShape<typeof NodeSchema>;
  /** In the order in which they are requested. */
  readonly subscriptions: readonly SubscriptionOptions[];
  readonly log: Logger;
  readonly clock?: Clock;
  /** Default: 10 ms doubling to 15 s, ±20 %. */
  readonly backoff?: Backoff;
  /** Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Longest wait of a demand. Default 5000. */
  readonly demandTimeoutMs?: number;
  /** Called when a stream ends, with the label of `istio_xds_connection_terminations_total`. */
  readonly onTermination?: (reason: 'ConnectionError' | 'Reconnect' | 'Error' | 'Complete') => void;
  /** Called when the connection comes up or is lost. */
  readonly onConnected?: (connected: boolean) => void;
  readonly channelOptions?: ChannelOptions;
}

/** A running client. */
export interface XdsClient {
  /** True while a stream is up. State is kept while it is not. */
  readonly connected: boolean;
  /** Resolves after the first response of a type was taken (rejects with ERR_XDS_CLOSED when the client ends before). */
  firstSync(typeUrl: string): Promise<void>;
  /** Resolves when every wildcard type had its first response. */
  readonly synced: Promise<void>;
  /**
   * Makes sure that a name (or alias) of a type was asked for; resolves when the store has it or the server said it does not exist.
   * Rejects only with the signal's reason, ERR_XDS_CLOSED or ERR_XDS_UNKNOWN_TYPE.
   */
  demand(typeUrl: string, name: string, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<DemandResult>;
  /** Gives a demanded name back (cache eviction). The store keeps it until the server, told with the next request, removes it. */
  release(typeUrl: string, name: string): void;
  /** Name to version of what is held of a type; '' where the newest version was rejected. */
  held(typeUrl: string): ReadonlyMap<string, string>;
  /** Ends the stream after what is in flight and stops; resolves when it is over. */
  close(): Promise<void>;
  /** Ends the stream now. */
  destroy(reason?: Error): void;
}

/** A stream that lived this long proves the server well: the next backoff starts at its beginning (no reset on flapping). */
const STEADY_AFTER_MS = 5000;
const GRACEFUL_CLOSE_MS = 1000;

/** Starts a client: connects at once and keeps one stream alive until closed. */
export function createXdsClient(options: XdsClientOptions): XdsClient {
  const { log, clock = systemClock, connectTimeoutMs = 5000, demandTimeoutMs = 5000 } = options;
  const backoff = options.backoff ?? createBackoff({ initialMs: 10, maxMs: 15_000, jitter: 0.2 });
  const subscriptions = options.subscriptions.map(({ handler, mode, names = [], heldVersions }) => {
    const subscription = createSubscription(handler, mode, heldVersions);
    for (const name of names) subscription.asked.add(name);
    return subscription;
  });
  const protocol = createDeltaStream({ node: create(NodeSchema, options.node), subscriptions, log });
  const address = options.address.slice(options.address.indexOf('://') < 0 ? 0 : options.address.indexOf('://') + 3);
  const ending = new AbortController();
  let stream: AdsStream | undefined;
  let connected = false;
  /** Names demanded in this turn, by type: they go out in one request. */
  const batch = new Map<string, Set<string>>();

  const setConnected = (value: boolean): void => {
    if (connected === value) return;
    connected = value;
    options.onConnected?.(value);
  };

  const runStream = async (): Promise<StreamEnd> => {
    const credentials = await options.credentials();
    ending.signal.throwIfAborted();
    const current = openAdsStream({
      address,
      credentials,
      connectTimeoutMs,
      ...(options.channelOptions === undefined ? {} : { channelOptions: options.channelOptions }),
      onConnected: () => {
        log.info('stream established', { address });
        setConnected(true);
      },
      onResponse: (response) => current.send(protocol.onResponse(response)),
    });
    stream = current;
    for (const request of protocol.start()) current.send(request);
    const end = await current.ended;
    stream = undefined;
    setConnected(false);
    return end;
  };

  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const startedMs = clock.now();
      const end = await runStream().catch((error: unknown): StreamEnd => ({
        kind: 'connection-error',
        error: error instanceof XdsError ? error : new XdsError('ERR_XDS_CONNECT', 'connect failed', { cause: error }),
      }));
      if (ending.signal.aborted) return;
      if (clock.now() - startedMs >= STEADY_AFTER_MS) backoff.reset();
      const delayMs = backoff.next();
      report(log, end, delayMs);
      options.onTermination?.(TERMINATION_REASON[end.kind]);
      await sleep(delayMs, { clock, signal: ending.signal }).catch(() => undefined);
    }
  };
  const running = run();
  background(log, 'xds client', running);

  const flushDemands = (): void => {
    for (const [typeUrl, names] of batch) {
      // Without a stream the names wait in `asked` for the next opening request.
      const request = protocol.subscribe(typeUrl, [...names]);
      if (request !== undefined) stream?.send(request);
    }
    batch.clear();
  };
  const enqueue = (typeUrl: string, name: string): void => {
    if (batch.size === 0) background(log, 'xds demand', nextTurn().then(flushDemands));
    const names = batch.get(typeUrl);
    if (names === undefined) batch.set(typeUrl, new Set([name]));
    else names.add(name);
  };

  const stop = (reason: Error): void => {
    ending.abort(reason);
    for (const subscription of subscriptions) {
      subscription.firstSync.reject(reason);
    }
    setConnected(false);
  };

  const wildcards = subscriptions.filter((item) => item.mode === 'wildcard');
  const synced = Promise.all(wildcards.map(async (item) => item.firstSync.promise)).then(() => undefined);
  synced.catch(() => undefined);

  return {
    get connected() {
      return connected;
    },
    synced,
    firstSync: async (typeUrl) => protocol.subscription(typeUrl).firstSync.promise,
    held: (typeUrl) => protocol.subscription(typeUrl).held,
    release: (typeUrl, name) => protocol.release(typeUrl, [name]),
    async demand(typeUrl, name, { signal, timeoutMs = demandTimeoutMs } = {}) {
      signal?.throwIfAborted();
      ending.signal.throwIfAborted();
      const subscription = protocol.subscription(typeUrl);
      if (isHeld(subscription, name)) return 'found';
      const answer = Promise.withResolvers<DemandResult>();
      const waiting = subscription.waiters.get(name) ?? new Set();
      subscription.waiters.set(name, waiting.add(answer.resolve));
      enqueue(typeUrl, name);
      const onAbort = (): void => answer.reject(signal?.reason);
      const onEnding = (): void => answer.reject(ending.signal.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      ending.signal.addEventListener('abort', onEnding, { once: true });
      using _timer = clock.setTimeout(() => answer.resolve('timeout'), timeoutMs);
      try {
        return await answer.promise;
      } finally {
        signal?.removeEventListener('abort', onAbort);
        ending.signal.removeEventListener('abort', onEnding);
        waiting.delete(answer.resolve);
        if (waiting.size === 0 && subscription.waiters.get(name) === waiting) {
          // Nobody waits any more and there was no answer: not asked again on the next stream.
          subscription.waiters.delete(name);
          protocol.release(typeUrl, [name]);
        }
      }
    },
    async close() {
      stop(new XdsError('ERR_XDS_CLOSED', 'discovery client closed'));
      stream?.close();
      const current = stream;
      using _timer = clock.setTimeout(() => current?.destroy(), GRACEFUL_CLOSE_MS);
      await running;
    },
    destroy(reason) {
      stop(reason ?? new XdsError('ERR_XDS_CLOSED', 'discovery client destroyed'));
      stream?.destroy();
    },
  };
}

const TERMINATION_REASON = {
  'connection-error': 'ConnectionError',
  reconnect: 'Reconnect',
  error: 'Error',
  complete: 'Complete',
} as const satisfies Record<StreamEnd['kind'], string>;

function report(log: Logger, end: StreamEnd, retryMs: number): void {
  switch (end.kind) {
    case 'connection-error':
      log.warn('XDS client connection error', { error: explain(end.error), retryMs });
      return;
    case 'error':
      log.warn('XDS client error', { error: explain(end.error), retryMs });
      return;
    case 'reconnect':
      log.debug('XDS client reconnect', { error: explain(end.error), retryMs });
      return;
    case 'complete':
      log.warn('XDS client complete', { retryMs });
      return;
    default:
      end satisfies never;
  }
}
