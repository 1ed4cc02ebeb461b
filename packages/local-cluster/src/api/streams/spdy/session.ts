/**
 * One SPDY/3.1 connection as Kubernetes clients use it (spec/local-cluster.md 7.3): streams with headers, no flow
 * control, no push. In: a byte stream (socket or WebSocket) and its side; out: streams. Owner of the byte stream.
 * Main thread.
 */

import { Duplex } from 'node:stream';
import { controlFrame, dataFrame, flagFin, FrameReader, frameType } from './frames.ts';
import type { Frame } from './frames.ts';
import { HeaderReader, HeaderWriter } from './header-block.ts';
import type { SpdyHeaders } from './header-block.ts';
import { SpdyError } from './spdy-error.ts';

/** Streams open at one time; more are refused one by one. */
export const maxStreams = 1000;
/** Bytes a stream holds for a slow reader before the whole connection is read no further: SPDY clients send unasked. */
const waitingBytes = 1024 * 1024;
const pieceBytes = 32 * 1024;
const refusedStream = 3;
const cancel = 5;

/** How a connection starts. */
export interface SpdySessionOptions {
  readonly role: 'client' | 'server';
  readonly transport: Duplex;
  /** Bytes that came with the handshake. */
  readonly head?: Buffer;
  /** Called for each stream the peer opens; it is already answered. */
  readonly onStream: (stream: SpdyStream) => void;
  /** Called once, with the reason when it was not a plain end. */
  readonly onClose?: (error: Error | undefined) => void;
}

/** One stream of a connection. Ends in both directions apart from each other. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #session: SpdySession;
  #remoteEnded = false;

  constructor(session: SpdySession, id: number, headers: SpdyHeaders) {
    super({ readableHighWaterMark: waitingBytes, allowHalfOpen: true });
    this.#session = session;
    this.id = id;
    this.headers = headers;
    // The session reports; a stream that nobody watches must not end the process.
    this.on('error', () => undefined);
  }

  /** Session only: data of the peer; false when the reader should catch up first. */
  receive(data: Buffer, isLast: boolean): boolean {
    if (this.#remoteEnded) return true;
    const wantsMore = data.length === 0 || this.push(data);
    if (isLast) {
      this.#remoteEnded = true;
      this.push(null);
    }
    return wantsMore;
  }

  override _read(): void {
    this.#session.resume(this.id);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const pieces: Buffer[] = [];
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      pieces.push(dataFrame(this.id, chunk.subarray(at, at + pieceBytes), false));
    }
    this.#session.send(Buffer.concat(pieces), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#session.send(dataFrame(this.id, Buffer.alloc(0), true), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#session.forget(this.id, !(this.#remoteEnded && this.writableFinished));
    done(error);
  }
}

/** A running connection. */
export class SpdySession {
  readonly #options: SpdySessionOptions;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #full = new Set<number>();
  readonly #frames = new FrameReader();
  readonly #headersIn = new HeaderReader();
  readonly #headersOut = new HeaderWriter();
  #nextId: number;
  #lastPeerId = 0;
  #isClosed = false;

  constructor(options: SpdySessionOptions) {
    this.#options = options;
    this.#nextId = options.role === 'client' ? 1 : 2;
    const { transport } = options;
    transport.on('error', (error) => this.destroy(error));
    transport.on('close', () => this.destroy());
    transport.on('end', () => this.destroy());
    transport.on('data', (chunk: Buffer) => this.#receive(chunk));
    if (options.head !== undefined && options.head.length > 0) {
      const { head } = options;
      queueMicrotask(() => this.#receive(head));
    }
  }

  /** Opens a stream; the peer's reply is not waited for. */
  open(headers: SpdyHeaders): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    const numbers = Buffer.alloc(10);
    numbers.writeUInt32BE(id, 0);
    this.send(controlFrame(frameType.synStream, 0, Buffer.concat([numbers, this.#headersOut.write(headers)])));
    return stream;
  }

  /** Ends the connection after what is written has left. */
  close(): void {
    if (this.#isClosed) return;
    const goAway = Buffer.alloc(8);
    goAway.writeUInt32BE(this.#lastPeerId, 0);
    this.#options.transport.end(controlFrame(frameType.goAway, 0, goAway));
  }

  /** Ends the connection and every stream now. Idempotent. */
  destroy(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stream of this.#streams.values()) stream.destroy(error);
    this.#streams.clear();
    this.#options.transport.destroy();
    this.#options.onClose?.(error);
  }

  /** Streams only: bytes to the peer. */
  send(bytes: Buffer, done?: (error?: Error | null) => void): void {
    if (this.#isClosed || !this.#options.transport.writable) {
      done?.(new SpdyError('the connection has ended'));
      return;
    }
    this.#options.transport.write(bytes, done);
  }

  /** Streams only: the reader of a stream wants more. */
  resume(id: number): void {
    if (this.#full.delete(id) && this.#full.size === 0 && !this.#isClosed) this.#options.transport.resume();
  }

  /** Streams only: a stream is over; `isEarly` tells the peer so. */
  forget(id: number, isEarly: boolean): void {
    if (!this.#streams.delete(id)) return;
    this.resume(id);
    if (isEarly) this.#reset(id, cancel);
  }

  #reset(id: number, status: number): void {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(id, 0);
    body.writeUInt32BE(status, 4);
    this.send(controlFrame(frameType.rstStream, 0, body));
  }

  #receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    try {
      for (const frame of this.#frames.push(chunk)) this.#onFrame(frame);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new SpdyError(String(error)));
    }
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === 'data') {
      const stream = this.#streams.get(frame.streamId);
      if (stream === undefined || stream.receive(frame.data, frame.isLast)) return;
      this.#full.add(frame.streamId);
      this.#options.transport.pause();
      return;
    }
    switch (frame.type) {
      case frameType.synStream:
        return this.#onSynStream(frame.flags, frame.body);
      case frameType.synReply:
      case frameType.headers: {
        const stream = this.#streams.get(idOf(frame.body, 4));
        // Read even when nobody needs it: later blocks build upon it.
        this.#headersIn.read(frame.body.subarray(4));
        if ((frame.flags & flagFin) !== 0) stream?.receive(Buffer.alloc(0), true);
        return;
      }
      case frameType.rstStream: {
        const id = idOf(frame.body, 8);
        const stream = this.#streams.get(id);
        this.#streams.delete(id);
        this.resume(id);
        stream?.destroy(new SpdyError(`the peer reset the stream with status ${frame.body.readUInt32BE(4)}`));
        return;
      }
      case frameType.ping: {
        const isOurs = idOf(frame.body, 4) % 2 === (this.#options.role === 'client' ? 1 : 0);
        if (!isOurs) this.send(controlFrame(frameType.ping, 0, frame.body));
        return;
      }
      default:
      // Settings, going away and windows change nothing here: the peer closes when it is done.
    }
  }

  #onSynStream(flags: number, body: Buffer): void {
    const id = idOf(body, 10);
    const headers = this.#headersIn.read(body.subarray(10));
    const isPeers = id % 2 === (this.#options.role === 'client' ? 0 : 1);
    if (!isPeers || id <= this.#lastPeerId) throw new SpdyError(`stream id ${id} after ${this.#lastPeerId}`);
    this.#lastPeerId = id;
    if (this.#streams.size >= maxStreams) return this.#reset(id, refusedStream);
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    const reply = Buffer.alloc(4);
    reply.writeUInt32BE(id, 0);
    this.send(controlFrame(frameType.synReply, 0, Buffer.concat([reply, this.#headersOut.write(new Map())])));
    if ((flags & flagFin) !== 0) stream.receive(Buffer.alloc(0), true);
    this.#options.onStream(stream);
  }
}

function idOf(body: Buffer, minBytes: number): number {
  if (body.length < minBytes) throw new SpdyError(`control frame of ${body.length} bytes, at least ${minBytes} needed`);
  return body.readUInt32BE(0) & 0x7fffffff;
}
