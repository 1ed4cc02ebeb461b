/**
 * One HTTP/1.1 connection of a client: reads one request, waits for its answer, goes on. Made by server.ts; data thread.
 * Owns its endpoint from `start` to `onEnd`, unless a websocket takes it over.
 */
import { AGAIN, type Endpoint, EOF, Region } from '@ambit/net';
import { WaypointError } from '../../errors.ts';
import type { Exchange, Upgraded } from '../exchange.ts';
import { type Head, MessageParser, requestKind } from './message-parser.ts';
import type { RequestLine } from './parse-head.ts';
import type { Http1Problem } from './problem.ts';
import { replyOfProblem } from './replies.ts';
import type { Http1Settings } from './server.ts';
import { type ExchangeConnection, ServerExchange } from './server-exchange.ts';

/** What a connection tells its server. */
export interface ConnectionEvents {
  onExchange(exchange: Exchange): void;
  /** Bytes outside a request are wrong; returns the answer to send before the end. */
  onProblem(problem: Http1Problem | 'header-timeout'): Region | undefined;
  /** It is closed because nothing was asked for long. */
  onIdle(): void;
  onEnd(): void;
  isDraining(): boolean;
}

const noBytes = Buffer.alloc(0);
/** A microtask by way of a promise: queueMicrotask of Node makes an asynchronous resource for each. */
const resolved = Promise.resolve();

/** A connection. */
export class ServerConnection implements ExchangeConnection {
  readonly #endpoint: Endpoint;
  readonly #settings: Http1Settings;
  readonly #events: ConnectionEvents;
  readonly #parser: MessageParser<RequestLine>;
  /** Bytes received that no message has taken yet. */
  #tail: Buffer = noBytes;
  #exchange: ServerExchange | undefined;
  /** When this connection is too late, on the clock of performance.now. */
  #deadline = Number.POSITIVE_INFINITY;
  #isReading = false;
  #isOver = false;

  constructor(endpoint: Endpoint, settings: Http1Settings, events: ConnectionEvents) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#events = events;
    this.#parser = new MessageParser(
      requestKind,
      settings,
      {
        onHead: (head) => this.#onHead(head),
        onBody: (view) => this.#exchange?.body.deliver(view),
        onMessage: (trailers) => this.#exchange?.body.finish(trailers),
      },
      settings.keepSpelling,
    );
  }

  /** Begins with bytes that were already taken. */
  start(head: Buffer): void {
    const endpoint = this.#endpoint;
    this.#tail = head;
    const onReadable = () => this.#pump();
    endpoint.onReadable = onReadable;
    const onWritable = () => this.#exchange?.sink.onDrain?.();
    endpoint.onWritable = onWritable;
    const onClose = () => this.#onGone();
    endpoint.onClose = onClose;
    this.#deadline = performance.now() + this.#settings.idleMs;
    this.#pump();
  }

  /** Ends what is late. */
  check(now: number): void {
    if (now < this.#deadline || this.#isOver) return;
    if (this.#parser.isIdle) {
      this.#events.onIdle();
      this.#close();
    } else if (this.#exchange === undefined) this.#onProblem('header-timeout');
  }

  /** Ends a connection without a request. */
  closeIfIdle(): void {
    if (this.#exchange === undefined && this.#parser.isIdle) this.#close();
  }

  /** Ends it now. */
  destroy(): void {
    this.#endpoint.destroy(new WaypointError('ERR_WAYPOINT_DRAIN', 'waypoint stopped'));
  }

  #pump(): void {
    if (this.#isReading || this.#isOver) return;
    this.#isReading = true;
    while (!this.#isHeld()) {
      const bytes = this.#tail.length > 0 ? this.#tail : this.#take();
      if (bytes === undefined) break;
      this.#tail = noBytes;
      const used = this.#parser.push(bytes);
      this.#exchange?.body.flush();
      if (typeof used === 'string') {
        this.#onProblem(used);
        break;
      }
      if (used < bytes.length) this.#tail = bytes.subarray(used);
    }
    this.#isReading = false;
    this.#watch();
  }

  /** While an answer is awaited only the end of the client is of interest. */
  #watch(): void {
    if (this.#isOver || !this.#parser.isComplete || this.#tail.length > 0) return;
    const bytes = this.#take();
    if (bytes !== undefined) this.#tail = bytes;
  }

  #isHeld(): boolean {
    if (this.#isOver || this.#parser.isComplete) return true;
    return this.#parser.isInBody && this.#exchange?.body.isPaused === true;
  }

  #take(): Buffer | undefined {
    const region = this.#endpoint.read();
    if (region === AGAIN) {
      if (this.#exchange === undefined && !this.#parser.isIdle) this.#awaitHead();
      return undefined;
    }
    if (region === EOF) {
      this.#onEof();
      return undefined;
    }
    return region.takeBuffer();
  }

  /** The clock runs from the first byte of a head. */
  #awaitHead(): void {
    const latest = performance.now() + this.#settings.headersMs;
    if (this.#deadline > latest || this.#isIdleDeadline) this.#deadline = latest;
    this.#isIdleDeadline = false;
  }
  #isIdleDeadline = true;

  #onHead(head: Head<RequestLine>): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#exchange = new ServerExchange(head, this);
    this.#events.onExchange(this.#exchange);
  }

  /** What a ServerExchange does with its connection: see {@link ExchangeConnection}. */
  write(regions: readonly Region[]): boolean {
    return this.#endpoint.write(regions) === 'accepted';
  }

  resume(): void {
    this.#pump();
  }

  get isDraining(): boolean {
    return this.#events.isDraining();
  }

  finished(keep: boolean): void {
    this.#exchange = undefined;
    if (!keep) this.#close();
    else void resolved.then(this.#proceed); // the answer may have come before the parser was done with the request
  }

  readonly #proceed = (): void => {
    if (this.#isOver) return;
    if (!this.#parser.isComplete) {
      this.#close();
      return;
    }
    this.#parser.next();
    this.#deadline = performance.now() + this.#settings.idleMs;
    this.#isIdleDeadline = true;
    if (this.#events.isDraining() && this.#tail.length === 0) this.#close();
    else this.#pump();
  };

  #onProblem(problem: Http1Problem | 'header-timeout'): void {
    const exchange = this.#exchange;
    if (exchange !== undefined) {
      const reply = problem === 'header-timeout' ? undefined : replyOfProblem(problem);
      exchange.refuse(reply);
      return;
    }
    const answer = this.#events.onProblem(problem);
    if (answer !== undefined) this.#endpoint.write([answer]);
    this.#close();
  }

  #onEof(): void {
    if (this.#exchange === undefined) this.#close();
    else this.#onGone();
  }

  /** The client is gone: nobody reads an answer any more. */
  #onGone(): void {
    if (this.#isOver) return;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#close();
    exchange?.lost();
  }

  abort(reason: Error, isDelimited: boolean): void {
    this.#exchange = undefined;
    if (isDelimited) this.#close();
    else {
      this.#end();
      this.#endpoint.destroy(reason);
    }
  }

  upgrade(): Upgraded {
    const endpoint = this.#endpoint;
    this.#end();
    endpoint.onReadable = undefined;
    endpoint.onWritable = undefined;
    endpoint.onClose = undefined;
    return { endpoint, early: this.#tail };
  }

  #close(): void {
    this.#end();
    this.#endpoint.close();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.onEnd();
  }
}
