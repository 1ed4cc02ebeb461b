// In: resource sources and a gRPC server. Out: the delta ADS service on it.
// Called by: app.ts of the control plane (and tests). The gRPC server belongs to the caller, who also binds and ends it. Main thread.
// Sources: spec control-plane 4.1 to 4.8.
import {
  type Server,
  type ServerDuplexStream,
  type ServerOptions,
  type UntypedServiceImplementation,
  status as grpcStatus,
} from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import { AggregatedDiscoveryService } from '@ambit/proto/discovery';
import { grpcService } from '@ambit/proto/grpc';
import { background } from '@ambit/runtime/background';
import { type Clock, systemClock } from '@ambit/runtime/clock';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { XdsError, type XdsErrorCode } from '../errors.ts';
import { type ClientIdentity, checkNodeIdentity } from './client-info.ts';
import { type Connection, type ConnectionContext, type ServerEvents, createConnection } from './connection.ts';
import type { XdsNode } from './node.ts';
import type { AnswerDebug } from './debug-stream.ts';
import { decodeDeltaRequest, type DeltaRequest } from './delta-request.ts';
import { createDebounce, createTurnQueue } from './push-queue.ts';
import type { ResourceSource } from './resource-source.ts';
import { type ClientStatus, statusOf } from './status-view.ts';
import { createToolStreams, type ToolCall } from './tool-streams.ts';

/** What an authenticator sees of a call, before any message is read. */
export interface CallFacts {
  /** First value of a metadata entry, by lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly peer: string;
  /** True when the call came over TLS, as told to `mount`. */
  readonly isTls: boolean;
  /** Client certificate, when one was presented and verified by the listener. */
  readonly peerCertificate: PeerCertificate | undefined;
}

/** Settings of {@link createXdsServer}. */
export interface XdsServerOptions {
  /** In the order in which changes of several types are pushed. */
  readonly sources: readonly ResourceSource[];
  /** Says who calls; throws to refuse (UNAUTHENTICATED unless it is an XdsError with another code). Undefined result = open access. */
  readonly authenticate: (call: CallFacts) => Promise<ClientIdentity | undefined> | ClientIdentity | undefined;
  /** Checks the node against the identity; throws XdsError. Default: the namespace must fit when there is an identity. */
  readonly authorize?: (node: XdsNode, identity: ClientIdentity | undefined) => void;
  /** False while caches are not synced: streams are refused with UNAVAILABLE. */
  readonly isReady?: () => boolean;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly events?: ServerEvents;
  /** Quiet time before changes are pushed. Default 100. */
  readonly debounceMs?: number;
  /** Longest wait of a change. Default 10 000. */
  readonly debounceMaxMs?: number;
  /** New streams per second; more wait up to 1 s, then RESOURCE_EXHAUSTED. 0 (default) = no limit. */
  readonly maxStreamsPerSecond?: number;
  /** Most names that one client may follow per type. Default 200 000. */
  readonly maxNames?: number;
  /** A client that takes no byte for so long is cut. Default 300 000. */
  readonly sendTimeoutMs?: number;
  /** Answers debug tools, on delta and on state-of-the-world streams. Default: nobody is answered. */
  readonly debug?: AnswerDebug;
}

/** The running service. */
export interface XdsServer {
  /**
   * Adds the service to a gRPC server made with {@link XDS_SERVER_OPTIONS}. May be called for several servers.
   * `isTls` is what the authenticator is told; say false for a plaintext port. Default true.
   */
  mount(server: Server, options?: { isTls?: boolean }): void;
  /** Pushes what is collected without waiting for quiet: at once, or after the room that a round to all clients needs. */
  flush(): void;
  /** Sends the types again that want it (policies) to everybody. */
  forcePush(): void;
  /** Who is connected, what they hold and acknowledged. */
  status(): ClientStatus[];
  /** Streams open. */
  readonly connections: number;
  /** Ends every stream with OK, so that clients reconnect at once, and refuses new ones. */
  close(): void;
  /** Ends every stream with UNAVAILABLE. */
  destroy(reason?: Error): void;
}

/** Options that the gRPC server should be made with: window, message sizes, keepalive. */
export const XDS_SERVER_OPTIONS: ServerOptions = {
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  // A reconnecting client lists the version of everything that it holds.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

const MAX_NAME_CHARACTERS = 4096;
const RATE_WAIT_MS = 1000;

/**
 * Room between two rounds of pushes to everybody, for each client of a round. A push costs about 0.07 ms with its acknowledgement
 * (November 2026): under a steady stream of changes rounds take about a third of a core, however many clients there are.
 */
const GAP_MS_PER_CONNECTION = 0.25;

type AdsCall = ServerDuplexStream<DeltaRequest, Buffer>;

/** Makes the service; it follows its sources until closed. */
export function createXdsServer(options: XdsServerOptions): XdsServer {
  const { log, clock = systemClock, sendTimeoutMs = 300_000, events = {} } = options;
  const connections = new Set<Connection>();
  const admit = createAdmission(options.maxStreamsPerSecond ?? 0, clock);
  let generation = 1;
  let nextId = 1;
  let closed = false;

  const context: ConnectionContext = {
    sources: new Map(options.sources.map((source) => [source.typeUrl, source])),
    limits: { maxNames: options.maxNames ?? 200_000, maxNameCharacters: MAX_NAME_CHARACTERS },
    clock,
    log,
    turns: createTurnQueue(),
    events,
    generation: () => generation,
    authorize: options.authorize ?? defaultAuthorize,
    sendTimeoutMs,
    debug: options.debug,
  };
  const debounce = createDebounce({
    clock,
    quietMs: options.debounceMs ?? 100,
    maxMs: options.debounceMaxMs ?? 10_000,
    onBatch(batch, waitedMs) {
      generation += 1;
      events.debounced?.(waitedMs);
      for (const connection of connections) connection.enqueue(batch);
    },
  });
  const followed = options.sources.map((source) =>
    source.subscribe((names) =>
      debounce.add(source.typeUrl, { names: names === 'all' ? 'all' : new Set(names), forced: false }),
    ),
  );

  /** Who calls, once the stream may be served at all. */
  const enter = async (call: AdsCall | ToolCall, isTls: boolean): Promise<ClientIdentity | undefined> => {
    if (closed) throw new XdsError('ERR_XDS_NOT_READY', 'server is shutting down');
    if (options.isReady?.() === false) {
      throw new XdsError('ERR_XDS_NOT_READY', 'server is not ready to serve discovery information');
    }
    await admit();
    return authenticated(options.authenticate, call, isTls);
  };
  const accept = async (call: AdsCall, isTls: boolean): Promise<void> => {
    const identity = await enter(call, isTls);
    if (closed || call.cancelled) return;
    const id = nextId++;
    const connection = createConnection(context, streamCall(call), { id, peer: call.getPeer(), identity });
    connections.add(connection);
    const leave = (): void => {
      connections.delete(connection);
      connection.onEnd();
    };
    call.on('cancelled', leave);
    call.on('close', leave);
    call.on('end', leave);
    call.on('data', (message: DeltaRequest) => connection.onRequest(message));
  };
  const handle = (call: AdsCall, isTls: boolean): void => {
    call.on('error', () => undefined);
    background(
      log,
      'discovery stream',
      accept(call, isTls).catch((error: unknown) => refuse(call, error, log)),
    );
  };
  const tools = createToolStreams({
    enter,
    answer: options.debug,
    authorize: (node, identity) => context.authorize(node, identity),
    refuse: (call, error) => refuse(call, error, log),
    log,
  });
  const endAll = (error?: XdsError): void => {
    closed = true;
    debounce.close();
    for (const subscription of followed) subscription[Symbol.dispose]();
    for (const connection of connections) connection.finish(error);
    connections.clear();
    tools.end();
  };

  return {
    mount(server, { isTls = true } = {}) {
      const { deltaAggregatedResources, streamAggregatedResources } = grpcService(AggregatedDiscoveryService);
      const implementation: UntypedServiceImplementation = {
        deltaAggregatedResources: (call: AdsCall) => handle(call, isTls),
        streamAggregatedResources: (call: ToolCall) => tools.handle(call, isTls),
      };
      const responseSerialize = (bytes: Buffer): Buffer => bytes;
      const requestDeserialize = (bytes: Buffer): DeltaRequest => {
        events.received?.(bytes.length);
        return decodeDeltaRequest(bytes);
      };
      server.addService(
        {
          deltaAggregatedResources: {
            ...deltaAggregatedResources,
            requestDeserialize,
            responseSerialize,
          },
          streamAggregatedResources: { ...streamAggregatedResources, responseSerialize },
        },
        implementation,
      );
    },
    flush: () => debounce.flush(connections.size * GAP_MS_PER_CONNECTION),
    forcePush() {
      for (const source of options.sources) {
        if (source.resendOnForcedPush === true) debounce.add(source.typeUrl, { names: new Set(), forced: true });
      }
    },
    status: () => statusOf(connections),
    get connections() {
      return connections.size;
    },
    close: () => endAll(),
    destroy: (reason) => endAll(new XdsError('ERR_XDS_NOT_READY', 'server is shutting down', { cause: reason })),
  };
}

function defaultAuthorize(node: XdsNode, identity: ClientIdentity | undefined): void {
  if (identity !== undefined) checkNodeIdentity(node, identity);
}

async function authenticated(
  authenticate: XdsServerOptions['authenticate'],
  call: AdsCall | ToolCall,
  isTls: boolean,
): Promise<ClientIdentity | undefined> {
  try {
    return await authenticate({
      header: (name) => call.metadata.get(name)[0]?.toString(),
      peer: call.getPeer(),
      isTls,
      peerCertificate: call.getAuthContext().sslPeerCertificate,
    });
  } catch (error) {
    if (error instanceof XdsError) throw error;
    throw new XdsError('ERR_XDS_UNAUTHENTICATED', 'authentication failure', { cause: error });
  }
}

/** The call as a connection sees it. */
function streamCall(call: AdsCall): ConnectionCall {
  return {
    write: (bytes, done) => void call.write(bytes, () => done()),
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    finish(error) {
      if (error === undefined) call.end();
      else call.emit('error', { code: STATUS_OF[error.code], details: error.message });
    },
  };
}
type ConnectionCall = Parameters<typeof createConnection>[1];

function refuse(call: AdsCall | ToolCall, error: unknown, log: Logger): void {
  const refused =
    error instanceof XdsError ? error : new XdsError('ERR_XDS_NOT_READY', messageOf(error), { cause: error });
  log.info('stream refused', { peer: call.getPeer(), code: refused.code, error: explain(refused) });
  call.emit('error', { code: STATUS_OF[refused.code], details: refused.message });
}

const STATUS_OF: Readonly<Record<XdsErrorCode, grpcStatus>> = {
  ERR_XDS_CONNECT: grpcStatus.UNAVAILABLE,
  ERR_XDS_STREAM: grpcStatus.UNAVAILABLE,
  ERR_XDS_CREDENTIALS: grpcStatus.INTERNAL,
  ERR_XDS_CLOSED: grpcStatus.UNAVAILABLE,
  ERR_XDS_UNKNOWN_TYPE: grpcStatus.INVALID_ARGUMENT,
  ERR_XDS_UNAUTHENTICATED: grpcStatus.UNAUTHENTICATED,
  ERR_XDS_PERMISSION_DENIED: grpcStatus.PERMISSION_DENIED,
  ERR_XDS_INVALID_REQUEST: grpcStatus.INVALID_ARGUMENT,
  ERR_XDS_UNSUPPORTED_CLIENT: grpcStatus.FAILED_PRECONDITION,
  ERR_XDS_LIMIT: grpcStatus.RESOURCE_EXHAUSTED,
  ERR_XDS_NOT_READY: grpcStatus.UNAVAILABLE,
};

/** A gate that lets `perSecond` streams in; others wait their turn up to a second. */
function createAdmission(perSecond: number, clock: Clock): () => Promise<void> {
  if (perSecond <= 0) return async () => undefined;
  const gapMs = 1000 / perSecond;
  let nextMs = 0;
  return async () => {
    const now = clock.now();
    const turnMs = Math.max(now, nextMs);
    if (turnMs - now > RATE_WAIT_MS) throw new XdsError('ERR_XDS_LIMIT', 'too many new streams, try again later');
    nextMs = turnMs + gapMs;
    if (turnMs === now) return;
    await new Promise<void>((resolve) => void clock.setTimeout(resolve, turnMs - now));
  };
}
