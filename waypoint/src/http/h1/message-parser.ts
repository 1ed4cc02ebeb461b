/**
 * One direction of an HTTP/1.1 connection: bytes -> heads, bodies, trailers, one message at a time. Pure: no I/O, no timers.
 * Used by server.ts (requests) and client.ts (responses); the fuzzers drive it directly. Data thread.
 *
 * States: idle -> head -> body -> complete; `next` starts the following message. `push` takes bytes only while a message is
 * wanted, so that a client that sends many requests at once is held back instead of being stored.
 */
import { ChunkedDecoder } from './chunked.ts';
import { type Framing, requestFraming, responseFraming } from './framing.ts';
import { isTokenCode, MAX_METHOD_LENGTH } from './grammar.ts';
import {
  type Fields,
  parseFields,
  parseRequestLine,
  parseStatusLine,
  type RequestLine,
  type StatusLine,
} from './parse-head.ts';
import type { Http1Limits, Http1Problem } from './problem.ts';

/** Line breaks in front of a request line that are ignored (RFC 9112 2.2). */
const maxLeadingBreaks = 4;

/** A head with the framing of what follows. */
export interface Head<Line> {
  readonly line: Line;
  readonly fields: Fields;
  readonly framing: Framing;
  /** Bytes of the head on the wire. */
  readonly bytes: number;
}

/** What a parser tells; called from inside `push` and `end`. */
export interface ParserEvents<Line> {
  onHead(head: Head<Line>): void;
  /** A view into the pushed bytes; valid during the call unless the pushed buffer lives on. */
  onBody(view: Buffer): void;
  /** The message is whole; `trailers` as in {@link Fields.flat}. */
  onMessage(trailers: readonly string[]): void;
}

/** What differs between requests and responses. */
export interface MessageKind<Line> {
  readonly parseLine: (line: string) => Line | Http1Problem;
  readonly framing: (line: Line, flat: readonly string[]) => Framing | Http1Problem;
  /** A message that no further one follows with the same parser state: after 1xx the final head comes. */
  readonly isInterim: (line: Line) => boolean;
  readonly isRequest: boolean;
}

/** Requests. */
export const requestKind: MessageKind<RequestLine> = {
  parseLine: parseRequestLine,
  framing: (_line, flat) => requestFraming(flat),
  isInterim: () => false,
  isRequest: true,
};

/** Responses; `method` names the request that the next one answers. */
export const responseKind = (method: () => string): MessageKind<StatusLine> => ({
  parseLine: parseStatusLine,
  framing: ({ status }, flat) => responseFraming(status, flat, method()),
  isInterim: ({ status }) => status < 200 && status !== 101,
  isRequest: false,
});

const noFields: readonly string[] = Object.freeze([]);
const noBytes = Buffer.alloc(0);

/** Parses one message after the other. */
export class MessageParser<Line extends object> {
  readonly #kind: MessageKind<Line>;
  readonly #limits: Http1Limits;
  readonly #events: ParserEvents<Line>;
  readonly #keepSpelling: boolean;
  #state: 'head' | 'length' | 'chunked' | 'until-close' | 'complete' | 'broken' = 'head';
  /** Start of a head that is not whole: the first `#pendingBytes` of a buffer that grows by doubling. */
  #pending: Buffer = noBytes;
  #pendingBytes = 0;
  #left = 0;
  #chunks: ChunkedDecoder | undefined;
  #leadingBreaks = 0;

  constructor(kind: MessageKind<Line>, limits: Http1Limits, events: ParserEvents<Line>, keepSpelling = false) {
    this.#kind = kind;
    this.#limits = limits;
    this.#events = events;
    this.#keepSpelling = keepSpelling;
  }

  /** True between messages with nothing of the next one received. */
  get isIdle(): boolean {
    return this.#state === 'head' && this.#pendingBytes === 0;
  }

  /** True while bytes of a body are expected. */
  get isInBody(): boolean {
    return this.#state === 'length' || this.#state === 'chunked' || this.#state === 'until-close';
  }

  /** True once a message is whole, until `next`. */
  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  /** Goes on to the next message. */
  next(): void {
    if (this.#state === 'complete') this.#state = 'head';
  }

  /**
   * Takes bytes; returns how many were used, or what is wrong. Less than all are used when a message became complete.
   * After a problem every further call gives it again.
   */
  push(bytes: Buffer, start = 0): number | Http1Problem {
    let at = start;
    while (at < bytes.length) {
      const used = this.#step(bytes, at);
      if (typeof used === 'string') {
        this.#state = 'broken';
        return used;
      }
      at = used;
      if (this.#state === 'complete') break;
    }
    return at;
  }

  /** The peer ended. Undefined when that is fine here. */
  end(): Http1Problem | undefined {
    if (this.#state === 'until-close') {
      this.#state = 'complete';
      this.#events.onMessage(noFields);
      return undefined;
    }
    return this.isIdle || this.#state === 'complete' ? undefined : 'incomplete';
  }

  #step(bytes: Buffer, at: number): number | Http1Problem {
    switch (this.#state) {
      case 'head':
        return this.#head(bytes, at);
      case 'length': {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        this.#events.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
        if (this.#left === 0) this.#complete(noFields);
        return end;
      }
      case 'chunked':
        return this.#chunked(bytes, at);
      case 'until-close':
        this.#events.onBody(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      default:
        return 'syntax';
    }
  }

  #chunked(bytes: Buffer, at: number): number | Http1Problem {
    const decoder = this.#chunks as ChunkedDecoder;
    const used = decoder.decode(bytes, at, (view) => this.#events.onBody(view));
    if (typeof used === 'string' || !decoder.isDone) return used;
    const trailers = parseFields(decoder.trailers, 0, this.#limits.maxFields, false);
    if (typeof trailers === 'string') return trailers;
    this.#complete(trailers.flat);
    return used;
  }

  #complete(trailers: readonly string[]): void {
    this.#chunks = undefined;
    this.#state = 'complete';
    this.#events.onMessage(trailers);
  }

  /** Looks for the end of a head; what is not whole is kept, and checked as far as it goes. */
  #head(bytes: Buffer, from: number): number | Http1Problem {
    const known = this.#pendingBytes;
    const at = known === 0 && this.#kind.isRequest ? this.#skipBreaks(bytes, from) : from;
    if (typeof at === 'string' || at === bytes.length) return at;
    const all = known === 0 ? bytes : this.#keep(bytes, at);
    const start = known === 0 ? at : 0;
    const end = all.indexOf('\r\n\r\n', Math.max(start, start + known - 3), 'latin1');
    const length = (end === -1 ? all.length : end + 4) - start;
    if (length > this.#limits.maxHeadBytes) return 'too-large';
    if (end === -1) {
      const problem = this.#problemOfStart(all, start, start + known);
      if (known === 0) this.#keep(bytes, at);
      return problem ?? bytes.length;
    }
    this.#pending = noBytes;
    this.#pendingBytes = 0;
    this.#leadingBreaks = 0;
    const problem = this.#parse(all.toString('latin1', start, end), length);
    return problem ?? at + length - known;
  }

  /** Adds bytes to the start of a head; returns all of it. Copies each byte a bounded number of times. */
  #keep(bytes: Buffer, at: number): Buffer {
    const total = this.#pendingBytes + bytes.length - at;
    if (total > this.#pending.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, total * 2));
      this.#pending.copy(larger, 0, 0, this.#pendingBytes);
      this.#pending = larger;
    }
    bytes.copy(this.#pending, this.#pendingBytes, at);
    this.#pendingBytes = total;
    return this.#pending.subarray(0, total);
  }

  #skipBreaks(bytes: Buffer, from: number): number | Http1Problem {
    let at = from;
    while (at < bytes.length && (bytes[at] === 0x0d || bytes[at] === 0x0a)) {
      at += 1;
      this.#leadingBreaks += 1;
      if (this.#leadingBreaks > maxLeadingBreaks) return 'syntax';
    }
    return at;
  }

  /** Errors that need not wait for the whole head: no method where one must be, and bare line feeds. */
  #problemOfStart(all: Buffer, start: number, from: number): Http1Problem | undefined {
    if (this.#kind.isRequest) {
      for (let index = start; index < all.length; index++) {
        const code = all[index] as number;
        if (code === 0x20 && index > start) break;
        if (!isTokenCode(code) || index - start > MAX_METHOD_LENGTH) return 'syntax';
      }
    }
    const lineEnd = all.indexOf('\r\n', start, 'latin1');
    if (lineEnd !== -1) {
      const line = this.#kind.parseLine(all.toString('latin1', start, lineEnd));
      if (typeof line === 'string') return line;
    }
    for (let index = all.indexOf(0x0a, from); index !== -1; index = all.indexOf(0x0a, index + 1)) {
      if (index === start || all[index - 1] !== 0x0d) return 'syntax';
    }
    return undefined;
  }

  #parse(text: string, bytes: number): Http1Problem | undefined {
    const lineEnd = text.indexOf('\r\n');
    const line = this.#kind.parseLine(lineEnd === -1 ? text : text.slice(0, lineEnd));
    if (typeof line === 'string') return line;
    const rest = lineEnd === -1 ? text.length : lineEnd + 2;
    const fields = parseFields(text, rest, this.#limits.maxFields, this.#keepSpelling);
    if (typeof fields === 'string') return fields;
    const framing = this.#kind.framing(line, fields.flat);
    if (typeof framing === 'string') return framing;
    if (!this.#kind.isInterim(line)) this.#startBody(framing);
    this.#events.onHead({ line, fields, framing, bytes });
    if (framing.kind === 'none' && !this.#kind.isInterim(line)) this.#complete(noFields);
    return undefined;
  }

  #startBody(framing: Framing): void {
    switch (framing.kind) {
      case 'none':
        return;
      case 'length':
        this.#left = framing.bytes;
        this.#state = 'length';
        return;
      case 'chunked':
        this.#chunks = new ChunkedDecoder();
        this.#state = 'chunked';
        return;
      case 'until-close':
        this.#state = 'until-close';
        return;
      default:
        framing satisfies never;
    }
  }
}
