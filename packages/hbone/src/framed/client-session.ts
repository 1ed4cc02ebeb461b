// Engine 2's client connection: many CONNECT streams over one verified TLS endpoint. State: ready -> draining -> closed.
// Owned by the pool, or by one tunnel in double HBONE. Data threads.
import type { SecureEndpoint } from '@ambit/net';
import { offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import type { Logger } from '@ambit/runtime/log';
import { connectionDraining, connectionLost, HboneError, refusedWithStatus } from '../errors.ts';
import { startKeepalive } from '../keepalive.ts';
import type { AskOptions, ClientSession, ClientSessionOptions, GiveUp } from '../session.ts';
import type { HboneLimits, TunnelStream } from '../tunnel.ts';
import type { Http2Stream } from './stream.ts';
import { areTrailers, connectFields, parseResponse } from './fields.ts';
import { FramedStream } from './framed-stream.ts';
import type { FieldList } from './hpack/decoder.ts';
import { clientLimits } from './limits.ts';
import { Pings } from './pings.ts';
import { ErrorCode } from './protocol.ts';
import { FramedTransport } from './transport.ts';

/** Where the session is in its life; `by` says who ended it first. */
type State =
  | { readonly kind: 'ready' }
  | { readonly kind: 'draining'; readonly by: 'us' | 'peer' }
  | { readonly kind: 'closed'; readonly reason: Error | undefined };

/** What waits for the answer of a stream. */
interface Waiting<Peer> {
  readonly resolve: (tunnel: TunnelStream<Peer>) => void;
  readonly reject: (error: Error) => void;
  readonly giveUp: GiveUp;
  readonly onLeaving: AskOptions['onLeaving'];
}

/** A connection that can carry tunnels. */
export class FramedClientSession<Peer> implements ClientSession<Peer> {
  readonly peer: Peer;
  readonly peerName: string;
  activeStreams = 0;
  #state: State = { kind: 'ready' };
  readonly #limits: HboneLimits;
  readonly #log: Logger;
  readonly #onChange: () => void;
  readonly #transport: FramedTransport;
  readonly #pings: Pings;
  readonly #keepalive: Disposable;
  readonly #waiting = new Map<FramedStream<unknown>, Waiting<Peer>>();
  /** Told to streams when the connection broke. */
  #lost: Error | undefined;

  constructor(endpoint: SecureEndpoint<Peer>, options: ClientSessionOptions) {
    this.peer = endpoint.peer;
    this.peerName = options.peerName;
    this.#limits = options.limits;
    this.#log = options.log;
    const onChange = () => options.onChange(this);
    this.#onChange = onChange;
    this.#transport = new FramedTransport(endpoint, options.peerName, false, clientLimits(options.limits), {
      onStream: () => {
        throw new Error('a client never gets a stream');
      },
      onGoaway: (last, code) => this.#onGoaway(last, code),
      onPong: (payload) => this.#pings.onPong(payload),
      onSendable: () => {},
      onStreamGone: () => {},
      onClosed: (error) => this.#onClosed(error),
    });
    this.#pings = new Pings(this.#transport);
    this.#keepalive = startKeepalive(this.#pings, options.peerName, options.limits, (error) => {
      this.#log.warn('HBONE ping timeout/error', { peer: this.peerName });
      this.destroy(error);
    });
  }

  get state(): State['kind'] {
    return this.#state.kind;
  }

  tryReserve(): boolean {
    if (this.#state.kind !== 'ready' || this.activeStreams >= this.#capacity()) return false;
    if (!this.#transport.connection.canOpen) return false;
    this.activeStreams += 1;
    if (this.activeStreams === 1) this.#onChange();
    return true;
  }

  async open(options: AskOptions): Promise<TunnelStream<Peer>> {
    try {
      if (this.#state.kind !== 'ready') throw connectionDraining(this.peerName);
      options.signal?.throwIfAborted();
    } catch (error) {
      this.#release();
      throw error;
    }
    const tunnel = new FramedStream<Peer>(this.#transport, this.peer, {
      onFields: (stream, fields, isEnd) => this.#onFields(stream, fields, isEnd),
      onGone: (_stream, code) => this.#onStreamGone(code),
    });
    tunnel.attach(this.#transport.connection.open(connectFields(options.authority, options.headers), tunnel));
    this.#transport.flushSoon();
    return this.#answer(tunnel, options);
  }

  close(): void {
    if (this.#state.kind !== 'ready') return;
    this.#drain('us');
  }

  destroy(reason: Error): void {
    if (this.#state.kind === 'closed') return;
    this.#lost ??= reason;
    this.#transport.end(ErrorCode.NO_ERROR, reason);
  }

  #capacity(): number {
    const peerLimit = this.#transport.connection.peerSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#limits.maxStreamsPerConnection, Math.max(1, peerLimit));
  }

  async #answer(tunnel: FramedStream<Peer>, options: AskOptions): Promise<TunnelStream<Peer>> {
    const { promise, resolve, reject } = Promise.withResolvers<TunnelStream<Peer>>();
    const { signal, timeoutMs } = options;
    const giveUp = (error: Error): void => {
      reject(error);
      tunnel.destroy(error);
    };
    const onAbort = (): void => giveUp(signal?.reason as Error);
    onCancelled(signal, onAbort);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => giveUp(answerTimedOut(this.peerName, timeoutMs)), timeoutMs);
    this.#waiting.set(tunnel, { resolve, reject, giveUp, onLeaving: options.onLeaving });
    const onClose = (error: Error | undefined) => reject(error ?? connectionLost(this.peerName, undefined));
    tunnel.onClose = onClose;
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      offCancelled(signal, onAbort);
      this.#waiting.delete(tunnel);
      tunnel.onClose = undefined;
    }
  }

  #onFields(stream: FramedStream<unknown>, fields: FieldList | undefined, isEnd: boolean): void {
    const { stream: http2 } = stream;
    if (http2 === undefined) return;
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined || stream.isAnswered) return this.#onTrailers(http2, stream, fields);
    const head = fields === undefined ? undefined : parseResponse(fields);
    if (head === undefined || (head.status < 200 && isEnd)) {
      return stream.destroy(
        malformed(this.peerName, fields === undefined ? 'a header list that is too long' : 'malformed'),
      );
    }
    if (head.status < 200) return;
    http2.hasHead = true;
    if (head.status !== 200) {
      waiting.reject(refusedWithStatus(this.peerName, head.status));
      return stream.destroy(refusedWithStatus(this.peerName, head.status));
    }
    stream.isAnswered = true;
    stream.responseHeaders = head.headers;
    waiting.resolve(stream as FramedStream<Peer>);
  }

  #onTrailers(http2: Http2Stream, stream: FramedStream<unknown>, fields: FieldList | undefined): void {
    if (fields !== undefined && areTrailers(fields)) return;
    if (!http2.isGone) stream.destroy(malformed(this.peerName, 'malformed trailers'));
  }

  #onStreamGone(code: number | undefined): void {
    if (code === ErrorCode.REFUSED_STREAM) this.#refused();
    this.#release();
  }

  // The peer says that it did not look at the request: another connection may take it.
  #refused(): void {
    for (const [stream, waiting] of this.#waiting) {
      if (stream.stream?.isGone === true) waiting.reject(connectionDraining(this.peerName));
    }
  }

  #release(): void {
    this.activeStreams -= 1;
    if (this.#state.kind === 'draining' && this.activeStreams === 0) this.#endSoon();
    this.#onChange();
  }

  #onGoaway(lastStreamId: number, code: number): void {
    this.#log.debug('peer is going away', { peer: this.peerName, code });
    for (const [stream, waiting] of this.#waiting) {
      if ((stream.stream?.id ?? 0) > lastStreamId) waiting.giveUp(connectionDraining(this.peerName));
      else waiting.onLeaving?.(waiting.giveUp);
    }
    if (this.#state.kind === 'ready') this.#drain('peer');
  }

  #drain(by: 'us' | 'peer'): void {
    this.#state = { kind: 'draining', by };
    if (this.activeStreams === 0) this.#endSoon();
    this.#onChange();
  }

  // Not from inside the call that took the last stream: its frames are still to be written.
  #endSoon(): void {
    queueMicrotask(() => {
      if (this.#state.kind !== 'draining' || this.activeStreams > 0) return;
      this.#lost ??= connectionDraining(this.peerName);
      this.#keepalive[Symbol.dispose]();
      this.#transport.connection.goaway(ErrorCode.NO_ERROR, 0);
      this.#transport.close();
    });
  }

  #onClosed(error: Error | undefined): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'closed', reason: error };
    this.#lost ??= HboneError.is(error) ? error : connectionLost(this.peerName, error);
    this.#keepalive[Symbol.dispose]();
    this.#pings.end();
    const lost = this.#lost;
    this.#transport.connection.loseStreams((handler) => (handler as FramedStream<Peer>).onLost(lost));
    this.#onChange();
  }
}

function answerTimedOut(peer: string, timeoutMs: number): HboneError {
  return new HboneError('ERR_HBONE_TIMEOUT', `${peer} did not answer CONNECT within ${timeoutMs} ms`);
}

function malformed(peer: string, what: string): HboneError {
  return new HboneError('ERR_HBONE_RESET', `${peer} answered CONNECT with ${what}`);
}
