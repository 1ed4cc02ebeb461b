/**
 * One HTTP/1.1 connection to a backend: sends a request, hands its response on, is free again. Made by client.ts; data thread.
 * Owns its endpoint until `close`, `destroy`, or until a websocket takes it over.
 */
import { HeaderList } from '@ambit/l7';
import { AGAIN, type Endpoint, EOF, Region } from '@ambit/net';
import { UpstreamError } from '../../errors.ts';
import type { BodyTarget } from '../request-body.ts';
import type { InterimListener, UpstreamRequest, UpstreamResponse } from '../upstream.ts';
import { MessageBody } from './message-body.ts';
import { type Head, MessageParser, responseKind } from './message-parser.ts';
import type { StatusLine } from './parse-head.ts';
import { lastChunk, requestHead } from './write-head.ts';

/** Backends are trusted with more than clients. */
const limits = { maxHeadBytes: 256 * 1024, maxFields: 1000 };
/** 1xx responses to one request. */
const maxInterims = 16;
/** Chunks up to this size leave together with the head in front of them. */
const joinBytes = 16 * 1024;
/** Methods whose requests have no body unless they say so; others say that theirs is empty (RFC 9110 8.6). */
const bodyless = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);
const lineBreak = Buffer.from('\r\n');

/** What becomes of a request. Exactly one of `onFree`, `onFailed` and `onEnded` comes, last; none after an upgrade. */
export interface CallEvents {
  readonly onInterim: InterimListener;
  readonly onResponse: (response: UpstreamResponse) => void;
  /** The response is whole and the connection may be used again. */
  readonly onFree: () => void;
  /** There will be no response; `isUnanswered`: not a byte of one came. */
  readonly onFailed: (error: Error, isUnanswered: boolean) => void;
  /** The response began, and the connection is over or belongs to somebody else. */
  readonly onEnded: () => void;
}

/** What happens to a free connection. */
export interface IdleEvents {
  readonly onIdleEnd: () => void;
}

/** A connection. */
export class ClientConnection {
  readonly #endpoint: Endpoint;
  readonly #idle: IdleEvents;
  readonly #parser: MessageParser<StatusLine>;
  #request: UpstreamRequest | undefined;
  #events: CallEvents | undefined;
  #body: MessageBody | undefined;
  #tail: Buffer | undefined;
  #interims = 0;
  #isSent = false;
  #mayKeep = false;
  #isReading = false;
  #hasAnswered = false;
  #onDrain: (() => void) | undefined;
  #upgrade: HeaderList | undefined;
  #isOver = false;

  constructor(endpoint: Endpoint, keepSpelling: boolean, idle: IdleEvents) {
    this.#endpoint = endpoint;
    this.#idle = idle;
    this.#parser = new MessageParser(
      responseKind(() => this.#request?.method ?? 'GET'),
      limits,
      {
        onHead: (head) => this.#onHead(head),
        onBody: (view) => this.#body?.deliver(view),
        onMessage: (trailers) => this.#onMessage(trailers),
      },
      keepSpelling,
    );
    const onReadable = () => this.#pump();
    endpoint.onReadable = onReadable;
    const onWritable = () => this.#onDrain?.();
    endpoint.onWritable = onWritable;
    const onClose = (error: Error | undefined) => this.#lost(error);
    endpoint.onClose = onClose;
  }

  /** True while another request can be sent. */
  get isUsable(): boolean {
    return !this.#isOver && !this.#endpoint.isClosed;
  }

  /** Sends a request; the connection is free. */
  send(request: UpstreamRequest, events: CallEvents): void {
    this.#request = request;
    this.#events = events;
    this.#isSent = false;
    this.#hasAnswered = false;
    this.#interims = 0;
    const isChunked = request.hasBody && !request.headers.has('content-length');
    const { headers } = request;
    const cookies = headers.getAll('cookie');
    if (cookies.length > 1 && request.foldsCookies) headers.set('cookie', cookies.join('; '));
    if (isChunked) headers.set('transfer-encoding', 'chunked');
    else if (!request.hasBody && !bodyless.has(request.method) && !headers.has('content-length'))
      headers.set('content-length', '0');
    let head: string;
    try {
      head = requestHead(request.method, request.target, request.authority, headers);
    } catch (error) {
      this.#fail(new UpstreamError({ kind: 'protocol' }, false, error));
      return;
    }
    if (!request.hasBody) {
      this.#isSent = true;
      this.#write(head, undefined);
      this.#pump();
      return;
    }
    request.body.attach(this.#target(head, isChunked, request));
    this.#pump();
  }

  /** The body of a response is wanted. */
  resume(): void {
    this.#pump();
  }

  /** Waits for the next request: whatever the backend says now ends the connection. */
  rest(): void {
    this.#pump();
  }

  close(): void {
    this.#isOver = true;
    this.#endpoint.close();
  }

  destroy(reason: Error): void {
    this.#events = undefined;
    this.#isOver = true;
    this.#body?.break(reason);
    this.#endpoint.destroy(reason);
  }

  /** Ends the request in work, which hears of it. */
  end(reason: Error): void {
    if (!this.#isOver) this.#fail(new UpstreamError({ kind: 'closed' }, true, reason));
  }

  #target(head: string, isChunked: boolean, request: UpstreamRequest): BodyTarget {
    let pending = head;
    const take = (): string => {
      const text = pending;
      pending = '';
      return text;
    };
    queueMicrotask(() => {
      if (pending !== '' && !this.#isOver) this.#write(take(), undefined);
    });
    const target: BodyTarget = {
      onDrain: undefined,
      write: (chunk) => {
        if (!isChunked) return this.#write(take(), chunk);
        return this.#write(`${take()}${chunk.byteLength.toString(16)}\r\n`, chunk, lineBreak);
      },
      end: () => {
        const text = take() + (isChunked ? lastChunk(request.trailers()) : '');
        if (text !== '') this.#write(text, undefined);
        this.#isSent = true;
      },
    };
    const onDrain = () => target.onDrain?.();
    this.#onDrain = onDrain;
    return target;
  }

  #write(text: string, chunk: Uint8Array | undefined, after?: Buffer): boolean {
    if (this.#isOver) return true;
    const regions: Region[] = [];
    if (chunk !== undefined && chunk.byteLength <= joinBytes) {
      const joined = Buffer.allocUnsafe(text.length + chunk.byteLength + (after?.length ?? 0));
      joined.write(text, 0, 'latin1');
      joined.set(chunk, text.length);
      after?.copy(joined, text.length + chunk.byteLength);
      regions.push(Region.of(joined));
    } else {
      if (text !== '') regions.push(Region.of(Buffer.from(text, 'latin1')));
      if (chunk !== undefined) regions.push(Region.of(chunk));
      if (after !== undefined) regions.push(Region.of(after));
    }
    return this.#endpoint.write(regions) === 'accepted';
  }

  #pump(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (!this.#isOver && !(this.#parser.isInBody && this.#body?.isPaused === true)) {
      const bytes = this.#tail ?? this.#take();
      if (bytes === undefined) break;
      this.#tail = undefined;
      if (this.#events === undefined) {
        this.#endIdle();
        break;
      }
      this.#hasAnswered = true;
      const used = this.#parser.push(bytes);
      this.#body?.flush();
      if (typeof used === 'string') {
        this.#broken(used === 'incomplete' ? 'closed' : 'protocol');
        break;
      }
      if (used < bytes.length) this.#tail = bytes.subarray(used);
      if (this.#parser.isComplete) this.#settle();
    }
    this.#isReading = false;
  }

  #take(): Buffer | undefined {
    const region = this.#endpoint.read();
    if (region === AGAIN) return undefined;
    if (region === EOF) {
      this.#onEof();
      return undefined;
    }
    return region.takeBuffer();
  }

  #onHead({ line, fields, framing }: Head<StatusLine>): void {
    const headers = HeaderList.fromLower(fields.flat, fields.spellings);
    const { status } = line;
    const request = this.#request as UpstreamRequest;
    const isUpgrade = status === 101;
    if (isUpgrade ? !request.isWebsocket : status < 200 && ++this.#interims > maxInterims) {
      this.#broken('protocol');
      return;
    }
    if (status < 200 && !isUpgrade) {
      this.#events?.onInterim(status, headers);
      return;
    }
    const isLast = headers.joined('connection')?.toLowerCase().includes('close') === true;
    this.#mayKeep = line.minor === 1 && !isLast && framing.kind !== 'until-close';
    const body = new MessageBody(this);
    this.#body = body;
    if (isUpgrade) {
      this.#upgrade = headers; // handed over once the head is complete, with what came behind it
      return;
    }
    this.#events?.onResponse({
      status,
      headers,
      body,
      isBodyless: framing.kind === 'none',
      trailers: () => body.trailers,
      upgraded: undefined,
    });
  }

  #onMessage(trailers: readonly string[]): void {
    this.#body?.finish(trailers);
  }

  /** A response is whole. */
  #settle(): void {
    const events = this.#events;
    this.#events = undefined;
    this.#onDrain = undefined;
    this.#parser.next();
    if (events === undefined) return;
    const request = this.#request;
    this.#request = undefined; // it leads to everything that was known about the request
    if (this.#upgrade !== undefined) {
      this.#handOver(this.#upgrade, events);
      return;
    }
    if (!this.#isSent || !this.#mayKeep || this.#tail !== undefined) {
      if (!this.#isSent) request?.body.detach();
      this.close();
      events.onEnded();
      return;
    }
    this.#body = undefined;
    events.onFree();
  }

  /** From now on the connection is the taker's; no event follows. */
  #handOver(headers: HeaderList, events: CallEvents): void {
    this.#isOver = true;
    const endpoint = this.#endpoint;
    endpoint.onReadable = undefined;
    endpoint.onWritable = undefined;
    endpoint.onClose = undefined;
    const early = this.#tail ?? Buffer.alloc(0);
    const body = this.#body as MessageBody;
    const upgraded = { endpoint, early };
    events.onResponse({ status: 101, headers, body, isBodyless: true, trailers: () => [], upgraded });
  }

  #onEof(): void {
    if (this.#events === undefined) {
      this.#endIdle();
      return;
    }
    const problem = this.#parser.end();
    if (problem === undefined && this.#parser.isComplete) this.#settle();
    else this.#broken(this.#parser.isInBody ? 'protocol' : 'closed');
  }

  #broken(kind: 'protocol' | 'closed' | 'reset'): void {
    this.#fail(new UpstreamError({ kind }, true));
  }

  #fail(error: UpstreamError): void {
    const events = this.#events;
    const body = this.#body;
    this.#events = undefined;
    this.#isOver = true;
    this.#endpoint.destroy(error);
    if (body !== undefined) {
      body.break(error);
      events?.onEnded();
    } else events?.onFailed(error, !this.#hasAnswered);
  }

  #lost(error: Error | undefined): void {
    if (this.#events === undefined) this.#endIdle();
    else if (error === undefined && !this.#isOver) this.#onEof();
    else this.#fail(new UpstreamError({ kind: 'closed' }, true, error));
  }

  #endIdle(): void {
    if (this.#isOver) return;
    this.close();
    this.#idle.onIdleEnd();
  }
}
