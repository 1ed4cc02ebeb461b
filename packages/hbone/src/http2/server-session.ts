// Engine 1's accepted connection on core http2: turns CONNECT streams of a verified peer into tunnel requests and
// watches the peer's behaviour. Owned by the server.
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2';
import { type Endpoint, type SecureEndpoint, takeNodeStream } from '@ambit/net';
import { type AbandonedCallback, Abandonment } from '../abandonment.ts';
import { abuse, connectionLost, streamReset } from '../errors.ts';
import { plainHeaders } from './headers.ts';
import { destroySoon } from './destroy-soon.ts';
import { startKeepalive } from '../keepalive.ts';
import type { ResetLimiter } from '../reset-limiter.ts';
import { serverSessionOptions } from './session-options.ts';
import { stopWhenSent } from './stop-when-sent.ts';
import { StreamEndpoint } from './stream-endpoint.ts';
import { answerMalformed, logRefusal, offerTunnel } from '../offer.ts';
import { GOAWAY_GRACE_MS, type ServerSession, type ServerSessionOptions } from '../session.ts';
import type { TunnelHeaders, TunnelRequest } from '../tunnel.ts';

// `sendDate` is honoured by core but missing in its types; HBONE answers carry no date.
const OPEN = { sendDate: false } as ServerStreamResponseOptions;
const ENDED = { endStream: true, sendDate: false } as ServerStreamResponseOptions;
/** The highest stream id: GOAWAY with it says "stop soon" without dropping what is on its way (RFC 9113 6.8). */
const LAST_STREAM_ID = 2 ** 31 - 1;

/** What core http2 says of a peer that broke a rule; where nghttp2 ends the connection by itself it says nothing. */
const OFFENCES: ReadonlySet<string> = new Set(['ERR_HTTP2_ERROR', 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES']);

/** A connection of a verified peer. */
export class Http2ServerSession<Peer> implements ServerSession<Peer> {
  readonly peer: Peer;
  readonly peerName: string;
  activeStreams = 0;
  /** Why the connection broke under live streams. */
  lost: Error | undefined;
  #state: 'ready' | 'draining' | 'closed' = 'ready';
  #hasOffended = false;
  readonly #h2: ServerHttp2Session;
  readonly #endpoint: SecureEndpoint<Peer>;
  readonly #options: ServerSessionOptions<Peer>;
  readonly #keepalive: Disposable;
  readonly #resets: ResetLimiter;

  constructor(endpoint: SecureEndpoint<Peer>, options: ServerSessionOptions<Peer>) {
    const { limits } = options;
    this.peer = endpoint.peer;
    this.peerName = endpoint.remote?.ip ?? 'peer';
    this.#endpoint = endpoint;
    this.#options = options;
    this.#resets = options.allowance.resets;
    const carrier = takeNodeStream(endpoint);
    carrier.on('error', (error: Error) => this.#fail(error));
    carrier.prependListener('close', () => (this.lost ??= connectionLost(this.peerName, undefined)));
    this.#h2 = performServerHandshake(carrier, serverSessionOptions(limits));
    this.#h2.on('error', (error: Error) => this.#onSessionError(error));
    this.#h2.once('connect', () => this.#h2.setLocalWindowSize(limits.connectionWindowBytes));
    this.#h2.on('stream', (stream, headers) => this.#onStream(stream, headers));
    this.#h2.once('close', () => this.#closed());
    this.#keepalive = startKeepalive(this.#h2, this.peerName, limits, (error) => this.destroy(error));
  }

  close(): void {
    if (this.#state !== 'ready') return;
    this.#state = 'draining';
    const h2 = this.#h2;
    h2.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID);
    const isSent = h2.ping(() => this.#finishClose());
    if (!isSent) return this.#finishClose();
    // nghttp2 stops reading once GOAWAY is sent and no stream is left: then no answer ever comes.
    setTimeout(() => this.#finishClose(), GOAWAY_GRACE_MS).unref();
  }

  onRefused(authority: string, status: number, message: string | undefined): void {
    logRefusal(this.#options.log, this.peerName, authority, status, message);
  }

  #finishClose(): void {
    if (!this.#h2.destroyed && !this.#h2.closed) this.#h2.close();
  }

  destroy(reason: Error, code: number = constants.NGHTTP2_NO_ERROR): void {
    if (this.#state === 'closed') return;
    this.#options.log.debug('tunnel connection ended', { peer: this.peerName, error: reason.message });
    this.lost ??= reason;
    destroySoon(this.#h2, undefined, code);
    this.#closed();
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    this.activeStreams += 1;
    const request = new IncomingTunnel(stream, headers, this, this.#endpoint);
    stream.on('error', (error) => this.#options.log.debug('tunnel stream failed', { error: error.message }));
    stream.once('close', () => this.#onStreamClosed(stream, request));
    const method = headers[':method'];
    if (method !== 'CONNECT') {
      return answerMalformed(request, `expected method CONNECT, got ${method}`, this.#options);
    }
    if (headers[':scheme'] !== undefined || headers[':path'] !== undefined || headers[':protocol'] !== undefined) {
      return stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    }
    offerTunnel(request, this.#options);
  }

  #onStreamClosed(stream: ServerHttp2Stream, request: IncomingTunnel<Peer>): void {
    this.activeStreams -= 1;
    if (this.#state === 'draining' && this.activeStreams === 0) this.#finishClose();
    const wasUnanswered = !request.isAnswered;
    request.onGone(stream.rstCode ?? 0);
    if (!wasUnanswered || this.#state === 'closed' || this.#resets.take(Date.now())) return;
    this.#options.log.warn('peer resets too many streams', { peer: this.peerName });
    this.#options.onLimited('resets');
    this.#hasOffended = true;
    this.destroy(abuse(this.peerName), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #onSessionError(error: NodeJS.ErrnoException): void {
    this.#hasOffended ||= error.code !== undefined && OFFENCES.has(error.code);
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#state === 'closed') return;
    this.lost ??= connectionLost(this.peerName, error);
    this.#options.log.debug('tunnel connection failed', { error: this.lost.message });
    destroySoon(this.#h2, undefined, constants.NGHTTP2_NO_ERROR);
    this.#closed();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#keepalive[Symbol.dispose]();
    this.#options.onClosed(this, this.#hasOffended);
  }
}

/** A CONNECT and its one answer. */
class IncomingTunnel<Peer> implements TunnelRequest<Peer> {
  readonly authority: string;
  readonly headers: TunnelHeaders;
  readonly peer: Peer;
  readonly remote: Endpoint['remote'];
  readonly local: Endpoint['local'];
  isAnswered = false;
  readonly #stream: ServerHttp2Stream;
  readonly #session: Http2ServerSession<Peer>;
  readonly #abandonment = new Abandonment();

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    session: Http2ServerSession<Peer>,
    endpoint: SecureEndpoint<Peer>,
  ) {
    this.#stream = stream;
    this.#session = session;
    this.authority = headers[':authority'] ?? '';
    this.headers = plainHeaders(headers);
    this.peer = session.peer;
    this.remote = endpoint.remote;
    this.local = endpoint.local;
  }

  get onAbandoned(): AbandonedCallback | undefined {
    return this.#abandonment.callback;
  }

  set onAbandoned(callback: AbandonedCallback | undefined) {
    this.#abandonment.callback = callback;
  }

  accept(responseHeaders: TunnelHeaders = {}): Endpoint {
    const stream = this.#stream;
    const isFirst = !this.isAnswered;
    this.isAnswered = true;
    if (isFirst && !stream.destroyed && !stream.closed) {
      stream.respond({ ...responseHeaders, ':status': 200 }, OPEN);
    }
    return new StreamEndpoint<Peer>(stream, {
      peer: this.peer,
      peerName: this.#session.peerName,
      responseHeaders,
      connectionError: () => this.#session.lost,
      local: this.local,
      remote: this.remote,
    });
  }

  reject(status: number, message?: string): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.#session.onRefused(this.authority, status, message);
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ':status': status }, ENDED);
    stopWhenSent(stream);
  }

  /** The stream is over. */
  onGone(code: number): void {
    if (!this.isAnswered) this.#abandonment.tell(streamReset(this.#session.peerName, code));
  }
}
