/**
 * One request and its answer on an HTTP/1.1 connection. Made by server-connection.ts; data thread.
 * Head and first bytes of an answer leave in one piece; what is not delimited by a length is chunked, or ends the connection
 * of an HTTP/1.0 client.
 */
import { HeaderList, type LocalReply } from '@ambit/l7';
import { Region } from '@ambit/net';
import type { BodySink } from '../body.ts';
import type { Exchange, Upgraded } from '../exchange.ts';
import { MessageBody } from './message-body.ts';
import type { Head } from './message-parser.ts';
import type { RequestLine } from './parse-head.ts';
import { lastChunk, responseHead } from './write-head.ts';

/** What an exchange may do with its connection. */
export interface ExchangeConnection {
  /** False when the client is slow. */
  write(regions: readonly Region[]): boolean;
  /** The body is wanted again. */
  resume(): void;
  /** The answer is complete; `keep` when the connection may be used again. */
  finished(keep: boolean): void;
  /** Ends the connection; `isDelimited` when the client can tell that the answer is not whole. */
  abort(reason: Error, isDelimited: boolean): void;
  upgrade(): Upgraded;
  readonly isDraining: boolean;
}

/** Chunks up to this size are copied behind their head, so that one write carries both. */
const joinBytes = 16 * 1024;
const lineBreak = Buffer.from('\r\n');

const flushHead = (exchange: ServerExchange): void => exchange.flushHead();

type Delimiting = 'length' | 'chunked' | 'close';

/** An exchange. */
export class ServerExchange implements Exchange, BodySink {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1';
  readonly head: Exchange['head'];
  readonly hasBody: boolean;
  readonly body: MessageBody;
  readonly isWebsocket: boolean;
  readonly sink: BodySink;
  onDrain: (() => void) | undefined;
  onClosed: ((complete: boolean) => void) | undefined;
  onRefused: ((reply: LocalReply) => void) | undefined;
  readonly #connection: ExchangeConnection;
  readonly #minor: 0 | 1;
  #keepAlive: boolean;
  #delimiting: Delimiting = 'length';
  /** Head that waits for the first bytes behind it. */
  #pending = '';
  #isStarted = false;
  #isOver = false;

  constructor({ line, fields, framing }: Head<RequestLine>, connection: ExchangeConnection) {
    const headers = HeaderList.fromLower(fields.flat, fields.spellings);
    this.#connection = connection;
    this.#minor = line.minor;
    this.protocol = line.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0';
    this.head = {
      method: line.method,
      target: line.target,
      scheme: headers.get('x-forwarded-proto') === 'https' ? 'https' : 'http',
      authority: headers.get('host') ?? '',
      headers,
    };
    this.hasBody = framing.kind !== 'none';
    const nominations = headers.joined('connection')?.toLowerCase();
    this.#keepAlive = keepsAlive(line.minor, nominations);
    this.isWebsocket =
      line.method === 'GET' &&
      line.minor === 1 &&
      headers.get('upgrade')?.toLowerCase() === 'websocket' &&
      nominations?.includes('upgrade') === true;
    this.body = new MessageBody(connection);
    this.sink = this;
  }

  get isRequestComplete(): boolean {
    return !this.hasBody || this.body.isComplete;
  }

  requestTrailers(): readonly string[] {
    return this.body.trailers;
  }

  interim(status: number, headers: HeaderList): void {
    if (this.#isStarted || this.#isOver || this.#minor === 0) return;
    this.#send(responseHead(1, status, headers), undefined);
  }

  respond(status: number, headers: HeaderList, options: { endStream: boolean; closeConnection: boolean }): void {
    if (this.#isStarted || this.#isOver) return;
    this.#isStarted = true;
    if (options.closeConnection || this.#connection.isDraining) this.#keepAlive = false;
    const hasLength = headers.has('content-length');
    this.#delimiting = options.endStream || hasLength ? 'length' : this.#minor === 1 ? 'chunked' : 'close';
    if (this.#delimiting === 'close' || this.isWebsocket) this.#keepAlive = false;
    if (!this.#keepAlive) headers.append('connection', 'close');
    else if (this.#minor === 0) headers.append('connection', 'keep-alive');
    if (this.#delimiting === 'chunked') headers.append('transfer-encoding', 'chunked');
    const mayHaveBody = status >= 200 && status !== 204 && status !== 304;
    if (options.endStream && !hasLength && mayHaveBody && this.head.method !== 'HEAD')
      headers.append('content-length', '0');
    this.#pending = responseHead(this.#minor, status, headers);
    if (options.endStream) this.#finish('');
    else void Promise.resolve(this).then(flushHead);
  }

  end(trailers: readonly string[] | undefined): void {
    if (this.#isOver) return;
    if (this.#delimiting !== 'chunked') this.#finish('');
    else this.#finish(lastChunk(trailers !== undefined && this.#takesTrailers() ? trailers : []));
  }

  upgrade(headers: HeaderList): Upgraded {
    this.#isStarted = true;
    this.#isOver = true;
    this.#send(responseHead(1, 101, headers), undefined);
    return this.#connection.upgrade();
  }

  abort(reason: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.flushHead();
    this.#connection.abort(reason, !this.#isStarted || this.#delimiting !== 'close');
    this.#close(false);
  }

  /** The request is not well-formed beyond its head. */
  refuse(reply: LocalReply | undefined): void {
    const { onRefused } = this;
    this.body.break(undefined);
    if (this.#isStarted || reply === undefined || onRefused === undefined) {
      this.abort(new Error('request broken'));
      return;
    }
    this.#keepAlive = false;
    onRefused(reply);
  }

  /** The client is gone. */
  lost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.body.break(undefined);
    this.#close(false);
  }

  /** Trailers travel only to clients that said so. */
  #takesTrailers(): boolean {
    const { headers } = this.head;
    return headers.joined('te')?.toLowerCase().includes('trailers') === true;
  }

  /** As the sink of the answer's body. */
  write(chunk: Uint8Array): boolean {
    if (this.#isOver || chunk.byteLength === 0) return true;
    if (this.#delimiting !== 'chunked') return this.#send(this.#takePending(), chunk);
    return this.#send(`${this.#takePending()}${chunk.byteLength.toString(16)}\r\n`, chunk, lineBreak);
  }

  #takePending(): string {
    const pending = this.#pending;
    this.#pending = '';
    return pending;
  }

  /** Sends a head that no bytes have followed yet. */
  flushHead(): void {
    const pending = this.#takePending();
    if (pending !== '') this.#send(pending, undefined);
  }

  #finish(last: string): void {
    const text = this.#takePending() + last;
    if (text !== '') this.#send(text, undefined);
    this.#isOver = true;
    const keep = this.#keepAlive && this.isRequestComplete;
    this.#close(true);
    this.#connection.finished(keep);
  }

  #close(complete: boolean): void {
    const { onClosed } = this;
    this.onClosed = undefined;
    onClosed?.(complete);
  }

  /** Writes text, chunk and end in one piece when they are small. */
  #send(text: string, chunk: Uint8Array | undefined, after?: Buffer): boolean {
    if (chunk === undefined) return this.#connection.write([Region.of(Buffer.from(text, 'latin1'))]);
    if (chunk.byteLength > joinBytes) {
      const regions = text === '' ? [] : [Region.of(Buffer.from(text, 'latin1'))];
      regions.push(Region.of(chunk));
      if (after !== undefined) regions.push(Region.of(after));
      return this.#connection.write(regions);
    }
    if (text === '' && after === undefined) return this.#connection.write([Region.of(chunk)]);
    const joined = Buffer.allocUnsafe(text.length + chunk.byteLength + (after?.length ?? 0));
    joined.write(text, 0, 'latin1');
    joined.set(chunk, text.length);
    if (after !== undefined) after.copy(joined, text.length + chunk.byteLength);
    return this.#connection.write([Region.of(joined)]);
  }
}

const keepsAlive = (minor: 0 | 1, connection: string | undefined): boolean => {
  if (connection === undefined) return minor === 1;
  const words = connection.split(',').map((word) => word.trim());
  return minor === 1 ? !words.includes('close') : words.includes('keep-alive');
};
