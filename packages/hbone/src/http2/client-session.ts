// Engine 1's client connection on core http2: many CONNECT streams over a verified TLS endpoint. State: ready ->
// draining -> closed (a session that is still connecting is a dial of the pool). Owned by the pool, or by one tunnel
// in double HBONE.
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { type SecureEndpoint, takeNodeStream } from '@ambit/net';
import { offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import type { Logger } from '@ambit/runtime/log';
import { connectionDraining, connectionLost, HboneError, refusedWithStatus, streamReset } from '../errors.ts';
import { plainHeaders } from './headers.ts';
import { destroySoon } from './destroy-soon.ts';
import { startKeepalive } from '../keepalive.ts';
import { clientSessionOptions } from './session-options.ts';
import { StreamEndpoint } from './stream-endpoint.ts';
import type { AskOptions, ClientSession, ClientSessionOptions } from '../session.ts';
import type { HboneLimits, TunnelStream } from '../tunnel.ts';

/** Where a session is in its life. `closed` keeps the reason for streams that ask later. */
type SessionState =
  | { readonly kind: 'ready'; readonly h2: ClientHttp2Session; readonly keepalive: Disposable }
  | {
      readonly kind: 'draining';
      readonly h2: ClientHttp2Session;
      readonly keepalive: Disposable;
      readonly by: 'us' | 'peer';
    }
  | { readonly kind: 'closed'; readonly reason: Error | undefined };

/** A connection that can carry tunnels. */
export class Http2ClientSession<Peer> implements ClientSession<Peer> {
  readonly peer: Peer;
  readonly peerName: string;
  activeStreams = 0;
  #state: SessionState;
  /** Set when the connection broke under live streams. */
  #lost: Error | undefined;
  /** Told when the peer begins to drain; one per CONNECT that waits for its answer. */
  readonly #waiting = new Set<() => void>();
  readonly #endpoint: SecureEndpoint<Peer>;
  readonly #limits: HboneLimits;
  readonly #onChange: () => void;
  readonly #log: Logger;

  constructor(endpoint: SecureEndpoint<Peer>, options: ClientSessionOptions) {
    const { peerName, limits, log } = options;
    this.peer = endpoint.peer;
    this.peerName = peerName;
    this.#endpoint = endpoint;
    this.#limits = limits;
    const onChange = () => options.onChange(this);
    this.#onChange = onChange;
    this.#log = log;
    const carrier = takeNodeStream(endpoint);
    const h2 = connect('https://hbone', { createConnection: () => carrier, ...clientSessionOptions(limits) });
    const keepalive = startKeepalive(h2, peerName, limits, (error) => {
      log.warn('HBONE ping timeout/error', { peer: peerName });
      this.destroy(error);
    });
    this.#state = { kind: 'ready', h2, keepalive };
    h2.once('connect', () => h2.setLocalWindowSize(limits.connectionWindowBytes));
    h2.on('error', (error: Error) => this.#closed(connectionLost(peerName, error)));
    h2.on('goaway', (code) => this.#onGoaway(code));
    h2.once('close', () => this.#closed(undefined));
    carrier.prependListener('close', () => (this.#lost ??= connectionLost(peerName, undefined)));
    carrier.on('error', (error: Error) => this.#closed(connectionLost(peerName, error)));
  }

  get state(): SessionState['kind'] {
    return this.#state.kind;
  }

  tryReserve(): boolean {
    const state = this.#state;
    if (state.kind !== 'ready' || this.activeStreams >= this.#capacity(state.h2)) return false;
    this.activeStreams += 1;
    if (this.activeStreams === 1) this.#onChange();
    return true;
  }

  async open(options: AskOptions): Promise<TunnelStream<Peer>> {
    const stream = this.#request(options);
    stream.once('close', () => this.#onStreamClosed());
    const headers = await this.#answer(stream, options);
    return new StreamEndpoint<Peer>(stream, {
      peer: this.peer,
      peerName: this.peerName,
      responseHeaders: plainHeaders(headers),
      connectionError: () => this.#lost,
      local: this.#endpoint.local,
      remote: this.#endpoint.remote,
    });
  }

  close(): void {
    const state = this.#state;
    if (state.kind !== 'ready') return;
    this.#state = { ...state, kind: 'draining', by: 'us' };
    state.h2.close();
    this.#onChange();
  }

  destroy(reason: Error): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#closed(reason);
    destroySoon(state.h2, reason, constants.NGHTTP2_NO_ERROR);
  }

  #request(options: AskOptions): ClientHttp2Stream {
    const state = this.#state;
    try {
      if (state.kind !== 'ready') throw connectionDraining(this.peerName);
      options.signal?.throwIfAborted();
      const headers = { ...options.headers, ':method': 'CONNECT', ':authority': options.authority };
      return state.h2.request(headers, { endStream: false });
    } catch (error) {
      this.#onStreamClosed();
      throw error;
    }
  }

  #capacity(h2: ClientHttp2Session): number {
    const peerLimit = h2.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#limits.maxStreamsPerConnection, Math.max(1, peerLimit));
  }

  #answer(stream: ClientHttp2Stream, options: AskOptions): Promise<IncomingHttpHeaders> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>();
    const fail = (error: Error): void => {
      cleanup();
      if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
      reject(error);
    };
    const onResponse = (headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void => {
      const status = headers[':status'] ?? 0;
      if (status !== 200) return fail(refusedWithStatus(this.peerName, status));
      cleanup();
      resolve(headers);
    };
    const onError = (error: Error): void => fail(this.#streamFailed(stream, error));
    const onClose = (): void => fail(this.#streamFailed(stream, undefined));
    const { signal, timeoutMs } = options;
    const onAbort = (): void => fail(signal?.reason as Error);
    onCancelled(signal, onAbort);
    const timer =
      timeoutMs === undefined ? undefined : setTimeout(() => fail(answerTimedOut(this.peerName, timeoutMs)), timeoutMs);
    const onLeaving = (): void => options.onLeaving?.(fail);
    const cleanup = (): void => {
      this.#waiting.delete(onLeaving);
      offCancelled(signal, onAbort);
      clearTimeout(timer);
      stream.off('response', onResponse);
      stream.off('close', onClose);
    };
    this.#waiting.add(onLeaving);
    stream.once('response', onResponse);
    stream.on('error', onError);
    stream.once('close', onClose);
    return promise;
  }

  #streamFailed(stream: ClientHttp2Stream, cause: Error | undefined): Error {
    if (HboneError.is(cause)) return cause;
    if (this.#lost !== undefined) return this.#lost;
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return connectionDraining(this.peerName);
    return streamReset(this.peerName, stream.rstCode ?? constants.NGHTTP2_CANCEL, cause);
  }

  #onStreamClosed(): void {
    this.activeStreams -= 1;
    this.#onChange();
  }

  #onGoaway(code: number): void {
    this.#log.debug('peer is going away', { peer: this.peerName, code });
    const state = this.#state;
    if (state.kind !== 'ready') return;
    this.#state = { ...state, kind: 'draining', by: 'peer' };
    state.h2.close();
    for (const onLeaving of this.#waiting) onLeaving();
    this.#onChange();
  }

  #closed(reason: Error | undefined): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#state = { kind: 'closed', reason };
    this.#lost ??= reason;
    state.keepalive[Symbol.dispose]();
    this.#onChange();
  }
}

function answerTimedOut(peer: string, timeoutMs: number): HboneError {
  return new HboneError('ERR_HBONE_TIMEOUT', `${peer} did not answer CONNECT within ${timeoutMs} ms`);
}
