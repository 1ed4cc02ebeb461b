/**
 * One request of an HTTP/2 client: a stream of our own framing as an exchange (spec/waypoint.md 1.5). An extended CONNECT (RFC 8441) is
 * shown as the GET with `Upgrade` that it stands for (spec/waypoint.md 5.10), so that routes and policies see one kind of websocket.
 * Made by server.ts for every stream; data thread.
 */
import { HeaderList, type LocalReply, replies } from '@ambit/l7';
import { FramedStream, type FramedStreamEvents } from '@ambit/hbone/framed/framed-stream';
import type { FieldList } from '@ambit/hbone/framed/hpack/decoder';
import { ErrorCode } from '@ambit/hbone/framed/protocol';
import type { Http2Stream } from '@ambit/hbone/framed/stream';
import type { FramedTransport } from '@ambit/hbone/framed/transport';
import { type BodySink, type BodySource, bytesSource } from '../body.ts';
import type { ClientLimits } from '../client-limits.ts';
import type { Exchange, RequestHead, Upgraded } from '../exchange.ts';
import { appendFields, hasTooMany, type RequestFields, requestOf, trailersOf, trailersToSend } from './fields.ts';
import { StreamBodySink, StreamSource } from './stream-body.ts';

/** What the connection is told. */
export interface ExchangeEvents {
  /** The head is here. */
  onHead(exchange: Http2Exchange): void;
  /** A head is larger than allowed, and was answered. */
  onTooLarge(reply: LocalReply): void;
  /** The stream is over; `isEarlyReset`: somebody other than us ended it before it had an answer. */
  onGone(isEarlyReset: boolean): void;
}

/** A request in work, and the handler of its stream. */
export class Http2Exchange implements Exchange, FramedStreamEvents {
  readonly protocol = 'HTTP/2';
  readonly stream: FramedStream<undefined>;
  readonly isRequestComplete = true; // what is left of the request is the stream's business, not the connection's
  readonly sink: BodySink;
  onClosed: ((complete: boolean) => void) | undefined;
  onRefused: Exchange['onRefused'];
  /** The stream ended before anybody was asked. */
  isGone = false;
  isWebsocket = false;
  hasBody = false;
  readonly #transport: FramedTransport;
  readonly #limits: ClientLimits;
  readonly #events: ExchangeEvents;
  #head: RequestHead | undefined;
  #source: StreamSource | undefined;
  #requestTrailers: readonly string[] = [];
  #hasResponded = false;
  #isEnded = false;

  constructor(transport: FramedTransport, http2: Http2Stream, limits: ClientLimits, events: ExchangeEvents) {
    this.#limits = limits;
    this.#transport = transport;
    this.#events = events;
    this.stream = new FramedStream(transport, undefined, this);
    this.stream.attach(http2);
    this.sink = new StreamBodySink(this.stream);
  }

  get head(): RequestHead {
    if (this.#head === undefined) throw new Error('the head of the request is not here yet');
    return this.#head;
  }

  get body(): BodySource {
    // What follows the head of an extended CONNECT is no body: it stays in the stream until somebody takes that over.
    return this.#source ?? bytesSource(new Uint8Array());
  }

  // ---- events of the stream ----

  onFields(_stream: FramedStream<unknown>, fields: FieldList | undefined, isEnd: boolean): void {
    const http2 = this.stream.stream;
    if (http2 === undefined) return;
    if (http2.hasHead) {
      const trailers = fields === undefined ? undefined : trailersOf(fields);
      if (trailers === undefined) this.#refuse();
      else this.#requestTrailers = trailers;
      return;
    }
    http2.hasHead = true;
    if (fields === undefined) return this.#tooLarge(replies.http2HeadersTooLarge);
    if (hasTooMany(fields, this.#limits.maxFields)) return this.#tooLarge(replies.http2TooManyHeaders);
    const request = requestOf(fields);
    if (request === undefined || (isEnd && (request.contentLength ?? 0) > 0)) return this.#refuse();
    this.#head = headOf(request);
    this.isWebsocket = request.protocol?.toLowerCase() === 'websocket';
    if (request.protocol === undefined) {
      this.hasBody = !isEnd;
      if (!isEnd) this.#source = new StreamSource(this.stream, request.contentLength);
    }
    this.#events.onHead(this);
  }

  onGone(_stream: FramedStream<unknown>, code: number | undefined): void {
    this.isGone = true;
    const isReset = code !== undefined && code !== ErrorCode.NO_ERROR;
    this.#source?.gone();
    const isComplete = this.#isEnded && code === undefined && this.stream.isEndSent;
    // Never from inside the call that ended it.
    if (this.onClosed !== undefined) queueMicrotask(() => this.#tellClosed(isComplete));
    this.#events.onGone(isReset && !this.#hasResponded);
  }

  // ---- the exchange ----

  requestTrailers(): readonly string[] {
    return this.#requestTrailers;
  }

  interim(status: number, headers: HeaderList): void {
    if (this.#hasResponded || status === 101) return;
    this.stream.sendFields(appendFields([':status', String(status)], headers.toRaw()));
  }

  respond(status: number, headers: HeaderList, options: { endStream: boolean }): void {
    if (this.isGone) return;
    this.#hasResponded = true;
    const fields = appendFields([':status', String(status)], headers.toRaw());
    if (options.endStream) {
      this.#isEnded = true;
      this.stream.endWithAnswer(fields);
    } else this.stream.sendFields(fields);
  }

  end(trailers: readonly string[] | undefined): void {
    this.#isEnded = true;
    const fields = trailersToSend(trailers);
    if (fields === undefined) this.stream.shutdownWrite();
    else this.stream.endWith(fields);
    // A client that still sends is told to stop once everything of ours is out (RFC 9113 8.1).
    this.stream.close();
  }

  upgrade(headers: HeaderList): Upgraded {
    this.#hasResponded = true;
    headers.removeIf((name) => ofUpgrades.has(name));
    this.stream.sendFields(appendFields([':status', '200'], headers.toRaw()));
    return { endpoint: this.stream, early: Buffer.alloc(0) };
  }

  abort(reason: Error): void {
    this.#isEnded = false;
    this.stream.resetWith(ErrorCode.INTERNAL_ERROR, reason);
  }

  #tooLarge(reply: LocalReply): void {
    const date = new Date().toUTCString();
    const rest = ['content-length', '0', 'date', date, 'server', this.#limits.serverName];
    this.#hasResponded = true;
    this.stream.endWithAnswer([':status', String(reply.status), ...rest]);
    this.#events.onTooLarge(reply);
  }

  #refuse(): void {
    const http2 = this.stream.stream;
    if (http2 !== undefined) this.#transport.reset(http2, ErrorCode.PROTOCOL_ERROR);
    this.stream.onReset(ErrorCode.PROTOCOL_ERROR, false);
  }

  #tellClosed(isComplete: boolean): void {
    const { onClosed } = this;
    this.onClosed = undefined;
    onClosed?.(isComplete);
  }
}

/** Fields of a 101 that HTTP/2 has no place for (RFC 8441 5). */
const ofUpgrades = new Set(['connection', 'upgrade', 'sec-websocket-accept', 'transfer-encoding', 'content-length']);

const headOf = ({ method, path, authority: told, protocol, headers }: RequestFields): RequestHead => {
  const authority = told ?? headers.get('host') ?? '';
  headers.remove('host');
  if (authority !== '') headers.append('host', authority);
  if (protocol !== undefined) {
    headers.replace('connection', 'Upgrade');
    headers.replace('upgrade', protocol);
  }
  return {
    method: protocol === undefined ? method : 'GET',
    target: path,
    scheme: headers.get('x-forwarded-proto') ?? 'http',
    authority,
    headers,
  };
};
