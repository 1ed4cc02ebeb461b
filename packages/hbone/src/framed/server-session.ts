// Engine 2's accepted connection: turns CONNECT streams of a verified peer into tunnel requests and watches the peer's
// behaviour. Owned by the server. Data threads.
import type { Endpoint, SecureEndpoint } from '@ambit/net';
import { type AbandonedCallback, Abandonment } from '../abandonment.ts';
import { abuse, connectionLost, HboneError, streamReset } from '../errors.ts';
import { startKeepalive } from '../keepalive.ts';
import type { ResetLimiter } from '../reset-limiter.ts';
import { answerMalformed, logRefusal, offerTunnel } from '../offer.ts';
import { GOAWAY_GRACE_MS, type ServerSession, type ServerSessionOptions } from '../session.ts';
import type { TunnelHeaders, TunnelRequest } from '../tunnel.ts';
import type { Http2Stream, StreamHandler } from './stream.ts';
import { areTrailers, parseRequest, type RequestHead, responseFields } from './fields.ts';
import { FramedStream } from './framed-stream.ts';
import type { FieldList } from './hpack/decoder.ts';
import { serverLimits } from './limits.ts';
import { Pings } from './pings.ts';
import { calm, ErrorCode, MAX_STREAM_ID } from './protocol.ts';
import { FramedTransport } from './transport.ts';

const NO_HEADERS: TunnelHeaders = {};

/** A connection of a verified peer. */
export class FramedServerSession<Peer> implements ServerSession<Peer> {
  readonly peer: Peer;
  readonly peerName: string;
  activeStreams = 0;
  #state: 'ready' | 'draining' | 'closed' = 'ready';
  readonly #options: ServerSessionOptions<Peer>;
  readonly #transport: FramedTransport;
  readonly #pings: Pings;
  readonly #keepalive: Disposable;
  readonly #resets: ResetLimiter;
  readonly #requests = new Map<FramedStream<unknown>, IncomingTunnel<Peer>>();
  /** Requests of this turn that nobody was asked about yet. */
  #fresh: IncomingTunnel<Peer>[] = [];
  #lost: Error | undefined;
  /** The last GOAWAY was sent: no stream comes any more. */
  #isFinal = false;

  constructor(endpoint: SecureEndpoint<Peer>, options: ServerSessionOptions<Peer>) {
    const { limits } = options;
    this.peer = endpoint.peer;
    this.peerName = endpoint.remote?.ip ?? 'peer';
    this.#options = options;
    this.#resets = options.allowance.resets;
    this.#transport = new FramedTransport(endpoint, this.peerName, true, serverLimits(limits, options.allowance), {
      onStream: (stream) => this.#onStream(stream),
      onGoaway: () => {},
      onPong: (payload) => this.#pings.onPong(payload),
      onSendable: () => {},
      onStreamGone: () => {},
      onClosed: (error) => this.#onClosed(error),
    });
    this.#pings = new Pings(this.#transport);
    this.#keepalive = startKeepalive(this.#pings, this.peerName, limits, (error) => this.destroy(error));
  }

  close(): void {
    if (this.#state !== 'ready') return;
    this.#state = 'draining';
    this.#transport.connection.goaway(ErrorCode.NO_ERROR, MAX_STREAM_ID);
    // Once the answer is here, every stream that was sent before the peer saw the GOAWAY is here too.
    this.#pings.ping(() => this.#finishClose());
    setTimeout(() => this.#finishClose(), GOAWAY_GRACE_MS).unref();
  }

  destroy(reason: Error, code: number = ErrorCode.NO_ERROR): void {
    if (this.#state === 'closed') return;
    this.#options.log.debug('tunnel connection ended', { peer: this.peerName, error: reason.message });
    this.#lost ??= reason;
    this.#transport.end(code, reason);
  }

  #finishClose(): void {
    if (this.#state !== 'draining' || this.#isFinal) return;
    this.#isFinal = true;
    this.#transport.connection.goaway(ErrorCode.NO_ERROR, this.#transport.connection.lastPeerStreamId);
    this.#transport.flushSoon();
    this.#endWhenEmpty();
  }

  #endWhenEmpty(): void {
    queueMicrotask(() => {
      if (!this.#isFinal || this.activeStreams > 0) return;
      this.#keepalive[Symbol.dispose]();
      this.#transport.close();
    });
  }

  #onStream(stream: Http2Stream): StreamHandler {
    this.activeStreams += 1;
    const tunnel = new FramedStream<Peer>(this.#transport, this.peer, {
      onFields: (own, fields) => this.#onFields(own as FramedStream<Peer>, fields),
      onGone: (own, code) => this.#onStreamGone(own, code),
    });
    tunnel.attach(stream);
    return tunnel;
  }

  #onFields(tunnel: FramedStream<Peer>, fields: FieldList | undefined): void {
    const { stream } = tunnel;
    if (stream === undefined) return;
    if (stream.hasHead) {
      if (fields === undefined || !areTrailers(fields)) this.#refuse(tunnel, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.hasHead = true;
    if (fields === undefined) return tunnel.endWithAnswer(responseFields(431, undefined));
    const head = parseRequest(fields);
    if (head === undefined) return this.#refuse(tunnel, ErrorCode.PROTOCOL_ERROR);
    const isConnect = head.method === 'CONNECT';
    if (isConnect && (head.scheme ?? head.path ?? head.protocol) !== undefined) {
      return this.#refuse(tunnel, ErrorCode.PROTOCOL_ERROR);
    }
    const request = new IncomingTunnel<Peer>(tunnel, head, this.peerName, (...why) =>
      logRefusal(this.#options.log, this.peerName, ...why),
    );
    this.#requests.set(tunnel, request);
    if (!isConnect) return answerMalformed(request, `expected method CONNECT, got ${head.method}`, this.#options);
    if (this.#fresh.push(request) === 1) queueMicrotask(() => this.#offerFresh());
  }

  // Only when all that came at once is read: a stream that is opened and reset in one breath shall cost nobody a connection.
  #offerFresh(): void {
    const requests = this.#fresh;
    this.#fresh = [];
    for (const request of requests) if (!request.isGone) offerTunnel(request, this.#options);
  }

  #refuse(tunnel: FramedStream<Peer>, code: number): void {
    if (tunnel.stream !== undefined) this.#transport.reset(tunnel.stream, code);
    tunnel.onReset(code, false);
  }

  #onStreamGone(tunnel: FramedStream<unknown>, code: number | undefined): void {
    this.activeStreams -= 1;
    const request = this.#requests.get(tunnel);
    this.#requests.delete(tunnel);
    if (this.#state === 'draining') this.#endWhenEmpty();
    const wasAnswered = request?.isAnswered ?? tunnel.isClosed;
    request?.onGone(code ?? 0);
    if (code === undefined || wasAnswered || this.#resets.take(Date.now())) return;
    this.#options.log.warn('peer resets too many streams', { peer: this.peerName });
    this.#options.onLimited('resets');
    this.#lost ??= abuse(this.peerName);
    // We are inside the parser: it stops after this frame, and the transport ends the connection.
    this.#transport.connection.fail(calm('too many streams reset'));
  }

  #onClosed(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#lost ??= HboneError.is(error) ? error : connectionLost(this.peerName, error);
    if (error !== undefined) this.#options.log.debug('tunnel connection failed', { error: error.message });
    this.#keepalive[Symbol.dispose]();
    this.#pings.end();
    const lost = this.#lost;
    this.#transport.connection.loseStreams((handler) => (handler as FramedStream<Peer>).onLost(lost));
    this.#options.onClosed(this, this.#transport.connection.failure !== undefined);
  }
}

type OnRefused = (authority: string, status: number, message: string | undefined) => void;

/** A CONNECT and its one answer. */
class IncomingTunnel<Peer> implements TunnelRequest<Peer> {
  readonly authority: string;
  readonly headers: TunnelHeaders;
  readonly peer: Peer;
  readonly remote: Endpoint['remote'];
  readonly local: Endpoint['local'];
  isAnswered = false;
  readonly #tunnel: FramedStream<Peer>;
  readonly #peerName: string;
  readonly #onRefused: OnRefused;
  readonly #abandonment = new Abandonment();

  constructor(tunnel: FramedStream<Peer>, head: RequestHead, peerName: string, onRefused: OnRefused) {
    this.#tunnel = tunnel;
    this.#peerName = peerName;
    this.#onRefused = onRefused;
    this.authority = head.authority ?? '';
    this.headers = head.headers;
    this.peer = tunnel.peer;
    this.remote = tunnel.remote;
    this.local = tunnel.local;
  }

  get onAbandoned(): AbandonedCallback | undefined {
    return this.#abandonment.callback;
  }

  set onAbandoned(callback: AbandonedCallback | undefined) {
    this.#abandonment.callback = callback;
  }

  accept(responseHeaders: TunnelHeaders = NO_HEADERS): Endpoint {
    const tunnel = this.#tunnel;
    if (!this.isAnswered) tunnel.answer(responseFields(200, responseHeaders));
    this.isAnswered = true;
    tunnel.responseHeaders = responseHeaders;
    return tunnel;
  }

  reject(status: number, message?: string): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.#onRefused(this.authority, status, message);
    this.#tunnel.endWithAnswer(responseFields(status, undefined));
  }

  /** The stream was over before anybody was asked. */
  get isGone(): boolean {
    return this.#abandonment.isTold;
  }

  /** The stream is over. */
  onGone(code: number): void {
    if (!this.isAnswered) this.#abandonment.tell(streamReset(this.#peerName, code));
  }
}
