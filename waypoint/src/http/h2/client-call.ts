/**
 * One request on an HTTP/2 connection to a backend: a stream of our own framing as a call (spec/waypoint.md 5.1, 5.10). In: the request.
 * Out: a response, or why there is none. Made by client.ts; data thread.
 */
import type { FramedStream, FramedStreamEvents } from '@ambit/hbone/framed/framed-stream';
import type { FieldList } from '@ambit/hbone/framed/hpack/decoder';
import { ErrorCode } from '@ambit/hbone/framed/protocol';
import { UpstreamError } from '../../errors.ts';
import { bytesSource } from '../body.ts';
import type { BodyTarget } from '../request-body.ts';
import type { InterimListener, OpenConnection, UpstreamCall, UpstreamRequest, UpstreamResponse } from '../upstream.ts';
import { appendFields, type ResponseFields, responseOf, trailersOf, trailersToSend } from './fields.ts';
import type { PooledSession, SessionPool, Ticket } from './session-pool.ts';
import { StreamBodySink, StreamSource } from './stream-body.ts';

/** A request in flight, and the handler of its stream. */
export class Http2Call implements UpstreamCall, FramedStreamEvents {
  readonly response: Promise<UpstreamResponse>;
  requestSent = false;
  onDone: (() => void) | undefined;
  readonly #pool: SessionPool;
  readonly #request: UpstreamRequest;
  readonly #onInterim: InterimListener;
  readonly #ticket: Ticket = { leave: undefined, hasLeft: false };
  #pooled: PooledSession | undefined;
  #stream: FramedStream<undefined> | undefined;
  #source: StreamSource | undefined;
  #trailers: readonly string[] = [];
  #cancelled: Error | undefined;
  /** The response came, or will not come: the body of the request belongs to the next try. */
  #isSettled = false;
  #resolve!: (response: UpstreamResponse) => void;
  #reject!: (reason: Error) => void;

  constructor(
    pool: SessionPool,
    key: string,
    open: OpenConnection,
    request: UpstreamRequest,
    onInterim: InterimListener,
  ) {
    this.#pool = pool;
    this.#request = request;
    this.#onInterim = onInterim;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const ready = pool.ready(key);
    if (ready !== undefined) {
      this.#start(ready);
      return;
    }
    pool.take(key, open, request.rules, this.#ticket).then(
      (pooled) => this.#start(pooled),
      (error: Error) => this.#failed(this.#cancelled ?? error),
    );
  }

  cancel(reason: Error): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = reason;
    this.#ticket.leave?.();
    this.#stream?.resetWith(ErrorCode.CANCEL, reason);
  }

  release(): void {
    this.#done();
  }

  // ---- events of the stream ----

  onFields(stream: FramedStream<unknown>, fields: FieldList | undefined, isEnd: boolean): void {
    const http2 = stream.stream;
    if (http2 === undefined) return;
    if (http2.hasHead) {
      const trailers = fields === undefined ? undefined : trailersOf(fields);
      if (trailers === undefined) this.#malformed(stream);
      else this.#trailers = trailers;
      return;
    }
    const head = fields === undefined ? undefined : responseOf(fields);
    if (head === undefined || (head.status < 200 && isEnd)) return this.#malformed(stream);
    if (head.status < 200) return this.#onInterim(head.status, head.headers);
    http2.hasHead = true;
    this.#isSettled = true;
    this.#resolve(this.#responseOf(head, isEnd));
  }

  onGone(_stream: FramedStream<unknown>, code: number | undefined): void {
    const pooled = this.#pooled;
    if (pooled !== undefined) this.#pool.release(pooled);
    this.#source?.gone();
    // The usual end: an error would cost its stack for nobody.
    if (this.#isSettled) this.#done();
    else this.#failed(this.#cancelled ?? failureOf(code, pooled?.session.isClosed === true));
  }

  #start(pooled: PooledSession): void {
    if (this.#cancelled !== undefined) {
      this.#pool.rest(pooled);
      return this.#failed(this.#cancelled);
    }
    const request = this.#request;
    const { hasBody, isWebsocket } = request;
    this.#pool.use(pooled);
    this.#pooled = pooled;
    const isEnd = !hasBody && !isWebsocket;
    const stream = pooled.session.open(fieldsOf(request), isEnd, this);
    this.#stream = stream;
    this.requestSent = true;
    if (hasBody) request.body.attach(new RequestTarget(stream, request));
  }

  #responseOf({ status, headers, contentLength }: ResponseFields, isEnd: boolean): UpstreamResponse {
    const stream = this.#stream as FramedStream<undefined>;
    if (this.#request.isWebsocket && status < 300) {
      // The answer to an extended CONNECT as the 101 that it stands for.
      const upgraded = { endpoint: stream, early: Buffer.alloc(0) };
      return { status: 101, headers, body: bytesSource(new Uint8Array()), isBodyless: true, trailers: none, upgraded };
    }
    const isBodyless = this.#request.method === 'HEAD' || status === 204 || status === 304;
    // Whoever has answered needs no more of the request (RFC 9113 8.1).
    const onWhole = () => {
      if (!stream.isEndSent) stream.resetWith(ErrorCode.NO_ERROR, new UpstreamError({ kind: 'closed' }, true));
    };
    this.#source = new StreamSource(stream, isBodyless ? undefined : contentLength, onWhole);
    const trailers = () => this.#trailers;
    return { status, headers, body: this.#source, isBodyless: isEnd, trailers, upgraded: undefined };
  }

  /** Not what HTTP/2 allows: that is no answer. */
  #malformed(stream: FramedStream<unknown>): void {
    this.#cancelled ??= new UpstreamError({ kind: 'protocol' }, true);
    stream.resetWith(ErrorCode.PROTOCOL_ERROR, this.#cancelled);
  }

  #failed(reason: Error): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#request.body.detach();
      this.#reject(reason);
    }
    this.#done();
  }

  #done(): void {
    const { onDone } = this;
    this.onDone = undefined;
    onDone?.();
  }
}

/** Where the body of the request goes. */
class RequestTarget extends StreamBodySink implements BodyTarget {
  readonly #stream: FramedStream<undefined>;
  readonly #request: UpstreamRequest;

  constructor(stream: FramedStream<undefined>, request: UpstreamRequest) {
    super(stream);
    this.#stream = stream;
    this.#request = request;
  }

  end(): void {
    const trailers = trailersToSend(this.#request.trailers());
    if (trailers === undefined) this.#stream.shutdownWrite();
    else this.#stream.endWith(trailers);
  }
}

const none = (): readonly string[] => [];

const failureOf = (code: number | undefined, isLost: boolean): UpstreamError => {
  // The whole connection broke, or its bytes were no HTTP/2: that is no reset of a stream.
  if (isLost) return new UpstreamError({ kind: 'closed' }, true);
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return new UpstreamError({ kind: 'refused-stream' }, true);
    case undefined:
    case ErrorCode.NO_ERROR:
    case ErrorCode.CANCEL:
      return new UpstreamError({ kind: 'closed' }, true);
    case ErrorCode.PROTOCOL_ERROR:
      return new UpstreamError({ kind: 'protocol' }, true);
    default:
      return new UpstreamError({ kind: 'reset' }, true);
  }
};

const fieldsOf = ({ method, scheme, authority, target, headers, isWebsocket }: UpstreamRequest): string[] => {
  const pseudo = isWebsocket
    ? [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', scheme, ':authority', authority, ':path', target]
    : [':method', method, ':scheme', scheme, ':authority', authority, ':path', target];
  return appendFields(pseudo, headers.toRaw());
};
