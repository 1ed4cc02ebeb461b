// In: one authenticated stream. Out: its requests answered and its pushes sent, one thing at a time, requests first.
// Called by: server.ts. Owns the call from accept to end. Main thread. Source: spec control-plane 4.3, 4.4.
import { randomUUID } from 'node:crypto';
import { background } from '@ambit/runtime/background';
import type { Clock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import { unquoted } from '@ambit/runtime/log-format';
import { XdsError } from '../errors.ts';
import type { ClientIdentity, ClientInfo } from './client-info.ts';
import { type AnswerDebug, encodeDeltaAnswer, isDebugType } from './debug-stream.ts';
import type { DeltaRequest } from './delta-request.ts';
import { type DeltaSession, createDeltaSession } from './delta-session.ts';
import { type PendingResponse, encodeResponse } from './encode-response.ts';
import { type XdsNode, parseNode } from './node.ts';
import { type PushBatch, type Pusher, type TurnQueue, mergeChange } from './push-queue.ts';
import type { ResourceSource } from './resource-source.ts';
import type { SubscriptionLimits } from './subscription.ts';

/** The part of a gRPC call that a connection needs. */
export interface StreamCall {
  /** Sends one response; `done` is called when the transport has taken it (back-pressure). */
  write(bytes: Buffer, done: () => void): void;
  /** Stops and restarts the delivery of requests. */
  pause(): void;
  resume(): void;
  /** Ends the stream: without an error with OK. */
  finish(error?: XdsError): void;
}

/** What happens on connections, for metrics and status writers. Must not throw. */
export interface ServerEvents {
  connected?(client: ClientInfo): void;
  disconnected?(client: ClientInfo): void;
  acked?(client: ClientInfo, typeUrl: string, generation: number): void;
  nacked?(client: ClientInfo, typeUrl: string, message: string): void;
  /** A response left; `bytes` is its size. */
  sent?(client: ClientInfo, typeUrl: string, bytes: number): void;
  /** The transport took a response: `pushMs` after it was begun, `sendMs` after it was encoded. */
  taken?(client: ClientInfo, typeUrl: string, pushMs: number, sendMs: number): void;
  /** A client that has something to get had its turn after `waitedMs`. */
  dequeued?(client: ClientInfo, waitedMs: number): void;
  /** A request answers to a response that is no longer the last one. */
  stale?(client: ClientInfo, typeUrl: string): void;
  /** A client took nothing for so long that it was cut. */
  sendTimedOut?(): void;
  /** A stream ended by a failure of ours. */
  failed?(): void;
  /** A request of this size was read. */
  received?(bytes: number): void;
  /** Changes go to the clients, `waitedMs` after the first of them came. */
  debounced?(waitedMs: number): void;
}

/** What all connections of a server share. */
export interface ConnectionContext {
  readonly sources: ReadonlyMap<string, ResourceSource>;
  readonly limits: SubscriptionLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly turns: TurnQueue;
  readonly events: ServerEvents;
  /** Number of the current push. */
  generation(): number;
  /** Throws XdsError when this client must not be served. */
  authorize(node: XdsNode, identity: ClientIdentity | undefined): void;
  readonly sendTimeoutMs: number;
  /** Answers debug tools; undefined = such requests are ignored. */
  readonly debug: AnswerDebug | undefined;
}

/** One stream. */
export interface Connection extends Pusher {
  readonly id: number;
  /** Undefined before the first request. */
  readonly client: ClientInfo | undefined;
  readonly session: DeltaSession;
  /** A request arrived. */
  onRequest(message: DeltaRequest): void;
  /** The peer ended its side or the stream broke. */
  onEnd(): void;
  /** Adds changes to what is to be pushed. */
  enqueue(batch: PushBatch): void;
  /** Ends the stream. */
  finish(error?: XdsError): void;
}

/** Requests that may wait while a response is being sent; more, and reading stops. */
const MAX_WAITING_REQUESTS = 64;

/** Makes the connection of a call. */
export function createConnection(
  context: ConnectionContext,
  call: StreamCall,
  facts: { id: number; peer: string; identity: ClientIdentity | undefined },
): Connection {
  const { clock, log, events, turns } = context;
  const connectedAtMs = clock.now();
  let client: ClientInfo | undefined;
  let toolNode: XdsNode | undefined;
  let toolNonce = '';
  let isOver = false;
  let isSending = false;
  let isPaused = false;
  let sendingSinceMs = 0;
  let sendTimer: Disposable | undefined;
  /** When the response was begun that is made now. */
  let begunMs = 0;
  /** Since when something waits for a turn to push. */
  let queuedMs: number | undefined;
  const requests: DeltaRequest[] = [];
  let pending: PushBatch = new Map();
  /** Second round of a push: names that may have to be removed, of types that break only after everything else is there. */
  const removals: { readonly typeUrl: string; readonly names: ReadonlySet<string> }[] = [];

  const knownClient = (): ClientInfo => {
    if (client === undefined) throw new XdsError('ERR_XDS_INVALID_REQUEST', 'missing node information');
    return client;
  };
  const session = createDeltaSession({ sources: context.sources, client: knownClient, limits: context.limits });

  const finish = (error?: XdsError): void => {
    if (isOver) return;
    isOver = true;
    sendTimer?.[Symbol.dispose]();
    turns.leave(connection);
    requests.length = 0;
    pending.clear();
    call.finish(error);
    if (client !== undefined) events.disconnected?.(client);
    const fields = { connection: facts.id, node: client?.node.id };
    if (error === undefined) log.debug('stream ended', fields);
    else log.info('stream closed', { ...fields, code: error.code, error: error.message });
  };

  const fail = (error: unknown): void => {
    if (error instanceof XdsError) return finish(error);
    log.error('discovery stream failed', { error });
    events.failed?.();
    finish(new XdsError('ERR_XDS_NOT_READY', 'internal error', { cause: error }));
  };

  const send = (response: PendingResponse): void => {
    const generation = context.generation();
    const version = `${new Date(clock.now()).toISOString()}/${generation}`;
    const nonce = `${version}${randomUUID()}`;
    const bytes = encodeResponse(response, nonce, version);
    session.markSent(response, nonce, generation, clock.now());
    write(bytes, response.typeUrl);
    if (client !== undefined) events.sent?.(client, response.typeUrl, bytes.length);
  };

  /** `typeUrl`: of a response; undefined for the answer to a tool. */
  const write = (bytes: Buffer, typeUrl?: string): void => {
    isSending = true;
    sendingSinceMs = clock.now();
    // One timer for many responses: it looks again when it fires, so that a response costs none.
    sendTimer ??= clock.setTimeout(checkSending, context.sendTimeoutMs);
    const begun = begunMs;
    call.write(bytes, () => {
      isSending = false;
      if (typeUrl !== undefined && client !== undefined && !isOver) {
        const now = clock.now();
        events.taken?.(client, typeUrl, now - begun, now - sendingSinceMs);
      }
      work();
    });
  };
  const checkSending = (): void => {
    sendTimer = undefined;
    if (isOver || !isSending) return;
    const leftMs = sendingSinceMs + context.sendTimeoutMs - clock.now();
    if (leftMs > 0) sendTimer = clock.setTimeout(checkSending, leftMs);
    else {
      events.sendTimedOut?.();
      finish(new XdsError('ERR_XDS_LIMIT', `client took no data for ${context.sendTimeoutMs} ms`));
    }
  };

  /** Tools ask on streams of their own; nothing of it is remembered but who asks. */
  const answerTool = async (message: DeltaRequest, debug: AnswerDebug): Promise<void> => {
    try {
      toolNode ??= client?.node ?? parseNode(message.node);
      const { typeUrl, resourceNamesSubscribe: names } = message;
      const answer = await debug({ typeUrl, names, node: toolNode, identity: facts.identity });
      const { bytes, nonce } = encodeDeltaAnswer(typeUrl, answer);
      toolNonce = nonce;
      if (!isOver) write(bytes);
    } catch (error) {
      fail(error);
    }
  };

  const handle = (message: DeltaRequest): void => {
    if (context.debug !== undefined && isDebugType(message.typeUrl)) {
      // Tools put any nonce into their first question: only ours makes it an acknowledgement.
      if (message.responseNonce !== '' && message.responseNonce === toolNonce) return;
      // Counts as sending: the next request waits for the answer.
      isSending = true;
      sendingSinceMs = clock.now();
      background(log, 'debug request', answerTool(message, context.debug));
      return;
    }
    client ??= introduce(message);
    const outcome = session.request(message);
    switch (outcome.kind) {
      case 'respond':
        send(outcome.response);
        return;
      case 'acked':
        events.acked?.(client, message.typeUrl, session.types.get(message.typeUrl)?.ackedGeneration ?? 0);
        return;
      case 'nacked':
        events.nacked?.(client, message.typeUrl, outcome.message);
        log.warn('response rejected by the client', {
          connection: facts.id,
          node: client.node.id,
          type: message.typeUrl,
          error: outcome.message.slice(0, 1000),
        });
        return;
      case 'stale':
        events.stale?.(client, message.typeUrl);
        log.debug('request of an older response ignored', { connection: facts.id, type: message.typeUrl });
        return;
      case 'ignored':
        log.debug('request ignored', { connection: facts.id, type: message.typeUrl });
        return;
      default:
        outcome satisfies never;
    }
  };

  const introduce = (message: DeltaRequest): ClientInfo => {
    const node = parseNode(message.node);
    context.authorize(node, facts.identity);
    const known = { connectionId: facts.id, node, identity: facts.identity, peer: facts.peer, connectedAtMs };
    events.connected?.(known);
    log.info('client connected', { connection: facts.id, node: node.id, peer: unquoted(facts.peer) });
    return known;
  };

  /** Does the next things until a response is on its way: all waiting requests, then asks for a turn to push. */
  const work = (): void => {
    try {
      while (!isOver && !isSending) {
        const message = requests.shift();
        if (message === undefined) break;
        begunMs = clock.now();
        handle(message);
      }
    } catch (error) {
      fail(error);
      return;
    }
    if (isPaused && requests.length < MAX_WAITING_REQUESTS / 2) {
      isPaused = false;
      call.resume();
    }
    if (!isOver && !isSending && (pending.size > 0 || removals.length > 0)) turns.ask(connection);
  };

  /** Next response of the pending push, in the order of the sources. */
  const nextPush = (): PendingResponse | undefined => {
    for (const [typeUrl, source] of context.sources) {
      const change = pending.get(typeUrl);
      if (change === undefined) continue;
      pending.delete(typeUrl);
      const response = session.push(typeUrl, change);
      if (response === undefined) continue;
      if (source.removesLast !== true || response.removed.length === 0) return response;
      // Each half is this client's own.
      const own = { ...response, isShared: false };
      removals.unshift({ typeUrl, names: new Set(response.removed) });
      if (response.resources.length > 0) return { ...own, removed: [] };
    }
    pending.clear();
    return nextRemoval();
  };

  /** Asked anew: what came back meanwhile was sent, or will be, and is not taken away again. */
  const nextRemoval = (): PendingResponse | undefined => {
    for (let next = removals.shift(); next !== undefined; next = removals.shift()) {
      const response = session.push(next.typeUrl, { names: next.names, forced: false });
      if (response === undefined || response.removed.length === 0) continue;
      return { ...response, resources: [], isShared: false };
    }
    return undefined;
  };

  const connection: Connection = {
    id: facts.id,
    get client() {
      return client;
    },
    session,
    onRequest(message) {
      if (isOver) return;
      requests.push(message);
      if (requests.length >= MAX_WAITING_REQUESTS && !isPaused) {
        isPaused = true;
        call.pause();
      }
      if (!isSending) work();
    },
    onEnd: () => finish(),
    enqueue(batch) {
      if (isOver || client === undefined) {
        // Types are subscribed by requests only, and a request reads the current state: nothing to remember before.
        return;
      }
      for (const [typeUrl, change] of batch) {
        if (session.types.has(typeUrl)) mergeChange(pending, typeUrl, change);
      }
      if (pending.size > 0) queuedMs ??= clock.now();
      if (!isSending && pending.size > 0) turns.ask(connection);
    },
    pushTurn() {
      if (isOver || isSending) return;
      begunMs = clock.now();
      if (queuedMs !== undefined && client !== undefined) events.dequeued?.(client, begunMs - queuedMs);
      queuedMs = undefined;
      try {
        const response = nextPush();
        if (response !== undefined) send(response);
      } catch (error) {
        fail(error);
      }
    },
    finish,
  };
  return connection;
}
