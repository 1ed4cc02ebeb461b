// Engine 1 of the byte path: an endpoint over a Node stream that somebody else made (TLS socket, HTTP/2 stream,
// adapter). The only place that knows how to get bytes in and out of Node streams cheaply: no pipe(), explicit
// back-pressure, big writes corked into one per turn. Used by socket-endpoint.ts, secure.ts, duplex.ts and @ambit/hbone.
import type { Duplex } from 'node:stream';
import { type CloseCallback, CloseNotice } from './close-notice.ts';
import { AGAIN, type Endpoint, EOF, type SocketAddress, type WriteResult } from './endpoint.ts';
import { NetError, systemCodeOf } from './errors.ts';
import { Region } from './region.ts';

/** Batches from this size on wait for the end of the turn to be joined with what follows; smaller ones leave at once. */
const COALESCE_BYTES = 8 * 1024;
/** More than this queued for sending asks the writer to pause. */
const WRITE_HIGH_BYTES = 256 * 1024;
/** The writer may go on below this. */
const WRITE_LOW_BYTES = 64 * 1024;
/** More than this received and not yet read pauses the source. */
const READ_HIGH_BYTES = 256 * 1024;

/** What a particular kind of stream needs beyond the stream itself. */
export interface NodeStreamOptions {
  readonly local?: SocketAddress | undefined;
  readonly remote?: SocketAddress | undefined;
  /** Ends the stream abruptly. `undefined` reason: everything was sent, only the reading half is given up. */
  readonly abort?: (stream: Duplex, reason: Error | undefined) => void;
  /** Asked when the stream ends or closes without an error of its own: was that really an end? */
  readonly closeError?: () => Error | undefined;
  /** Turns a stream error into ours. */
  readonly mapError?: (error: Error) => Error;
}

/** `Endpoint` over a Node `Duplex`. Starts reading on first use, so that a fresh one can still be taken apart. */
export class NodeStreamEndpoint implements Endpoint {
  protected stream: Duplex;
  protected readonly options: NodeStreamOptions;
  bytesRead = 0;
  bytesWritten = 0;
  onWritable: (() => void) | undefined;
  /** Big batches wait for the end of the turn to be joined. False for an owner who gathers them himself. */
  joinsWritesOfTurn = true;
  #onReadable: (() => void) | undefined;
  #queue: Region[] = [];
  #queuedBytes = 0;
  #active = false;
  #isPaused = false;
  #wantsReadable = true;
  #wantsWritable = false;
  #corkedForTurn = false;
  #isWriteShut = false;
  #isReadEnded = false;
  #isEofTaken = false;
  #isLocallyClosed = false;
  #isStreamClosed = false;
  readonly #closeNotice = new CloseNotice();
  #error: Error | undefined;

  constructor(stream: Duplex, options: NodeStreamOptions = {}) {
    this.stream = stream;
    this.options = options;
    stream.on('error', this.#onError);
    stream.on('close', this.#onStreamClose);
    if (stream.destroyed && stream.closed) this.#onStreamClose();
  }

  get local(): SocketAddress | undefined {
    return this.options.local;
  }

  get remote(): SocketAddress | undefined {
    return this.options.remote;
  }

  get isClosed(): boolean {
    return this.#closeNotice.isDue;
  }

  /** True once bytes were asked for or sent: too late to take the stream out. */
  get isActive(): boolean {
    return this.#active;
  }

  get onReadable(): (() => void) | undefined {
    return this.#onReadable;
  }

  set onReadable(callback: (() => void) | undefined) {
    this.#onReadable = callback;
    if (callback !== undefined) this.#activate();
  }

  get onClose(): CloseCallback | undefined {
    return this.#closeNotice.callback;
  }

  set onClose(callback: CloseCallback | undefined) {
    this.#closeNotice.callback = callback;
  }

  read(): Region | typeof AGAIN | typeof EOF {
    this.#activate();
    const region = this.#queue.shift();
    if (region !== undefined) {
      this.#queuedBytes -= region.length;
      if (this.#isPaused && this.#queuedBytes < READ_HIGH_BYTES) {
        this.#isPaused = false;
        this.resumeReading();
      }
      return region;
    }
    if (this.#isReadEnded) {
      if (!this.#isEofTaken) {
        this.#isEofTaken = true;
        if (this.#isStreamClosed) queueMicrotask(() => this.#settleClose());
      }
      return EOF;
    }
    this.#wantsReadable = true;
    return AGAIN;
  }

  write(regions: readonly Region[]): WriteResult {
    if (this.#isWriteShut || this.isClosed || this.stream.destroyed) {
      for (const region of regions) region.release();
      return 'accepted';
    }
    this.#activate();
    let total = 0;
    for (const region of regions) total += region.length;
    this.bytesWritten += total;
    if (total >= COALESCE_BYTES && this.joinsWritesOfTurn && !this.#corkedForTurn) this.#corkForTurn();
    const last = regions.length - 1;
    for (let i = 0; i <= last; i += 1) this.#writeRegion(regions[i] as Region, i === last);
    if (this.stream.writableLength <= WRITE_HIGH_BYTES) return 'accepted';
    this.#wantsWritable = true;
    return 'pending';
  }

  shutdownWrite(): void {
    if (this.#isWriteShut || this.isClosed) return;
    this.#isWriteShut = true;
    this.#activate();
    this.stream.end();
  }

  close(): void {
    if (this.#isLocallyClosed || this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#dropQueue();
    if (this.stream.writableFinished || this.stream.destroyed) return this.#abort(undefined);
    this.stream.once('finish', () => this.#abort(undefined));
    if (!this.#isWriteShut) {
      this.#isWriteShut = true;
      this.stream.end();
    }
  }

  destroy(reason: Error): void {
    if (this.isClosed) return;
    this.#isLocallyClosed = true;
    this.#error ??= reason;
    this.#dropQueue();
    this.#abort(reason);
    this.#settleClose();
  }

  /** Begins delivery into `deliver`. Overridden where reading does not go through 'data'. */
  protected startReading(): void {
    this.stream.on('data', (chunk: Buffer) => {
      this.deliver(Region.of(chunk));
      if (this.shouldPause()) this.stream.pause();
    });
    this.stream.on('end', this.onSourceEnd);
  }

  protected resumeReading(): void {
    this.stream.resume();
  }

  /** The reader is behind, and the source was stopped for it. */
  protected get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Something else replaces the stream before the first byte (socket with a reused buffer). */
  protected replaceStream(next: Duplex): void {
    this.stream.off('error', this.#onError);
    this.stream.off('close', this.#onStreamClose);
    this.stream = next;
    next.on('error', this.#onError);
    next.on('close', this.#onStreamClose);
  }

  /** Queues what arrived and wakes the reader. */
  protected deliver(region: Region): void {
    if (this.#isLocallyClosed) return region.release();
    this.bytesRead += region.length;
    this.#queue.push(region);
    this.#queuedBytes += region.length;
    this.#wakeReader();
  }

  /** True when the reader is behind; the caller stops the source. */
  protected shouldPause(): boolean {
    this.#isPaused = this.#queuedBytes >= READ_HIGH_BYTES;
    return this.#isPaused;
  }

  protected readonly onSourceEnd = (): void => {
    this.#isReadEnded = true;
    this.#askWhetherItBroke();
    // A reader that saw EOF would take a broken stream for a complete one: it hears of it by onClose only.
    if (this.#error === undefined) this.#wakeReader();
    else this.#settleClose();
  };

  #activate(): void {
    if (this.#active) return;
    this.#active = true;
    if (!this.#isStreamClosed && !this.stream.destroyed) this.startReading();
    else this.#isReadEnded = true;
  }

  #wakeReader(): void {
    if (!this.#wantsReadable || this.#onReadable === undefined) return;
    this.#wantsReadable = false;
    this.#onReadable();
  }

  #corkForTurn(): void {
    this.#corkedForTurn = true;
    this.stream.cork();
    setImmediate(() => {
      this.#corkedForTurn = false;
      this.stream.uncork();
    });
  }

  #writeRegion(region: Region, isLast: boolean): void {
    if (isLast) {
      this.stream.write(region.bytes, () => {
        region.release();
        this.#wakeWriter();
      });
    } else if (region.isPooled) this.stream.write(region.bytes, () => region.release());
    else this.stream.write(region.bytes);
  }

  #wakeWriter(): void {
    if (!this.#wantsWritable || this.stream.writableLength > WRITE_LOW_BYTES) return;
    this.#wantsWritable = false;
    this.onWritable?.();
  }

  #dropQueue(): void {
    for (const region of this.#queue) region.release();
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #abort(reason: Error | undefined): void {
    if (this.options.abort !== undefined) this.options.abort(this.stream, reason);
    else this.stream.destroy(reason);
  }

  readonly #onError = (error: Error): void => {
    this.#error ??= (this.options.mapError ?? mapStreamError)(error);
    this.#dropQueue();
    // A stream over another stream may never say that it closed.
    queueMicrotask(() => this.#settleClose());
  };

  readonly #onStreamClose = (): void => {
    this.#isStreamClosed = true;
    this.releaseSource();
    if (!this.#isReadEnded) {
      this.#isReadEnded = true;
      this.#askWhetherItBroke();
      if (this.#error === undefined && !this.#isLocallyClosed) this.#wakeReader();
    }
    this.#settleClose();
  };

  #askWhetherItBroke(): void {
    if (!this.#isLocallyClosed) this.#error ??= this.options.closeError?.();
    if (this.#error !== undefined) this.#dropQueue();
  }

  /** The stream is gone; give back what reading held. */
  protected releaseSource(): void {}

  #settleClose(): void {
    if (this.isClosed) return;
    const mayTell = this.#error !== undefined || this.#isLocallyClosed || this.#isEofTaken || !this.#active;
    if (!mayTell) return;
    if (!this.#isStreamClosed && this.#error === undefined) return;
    this.#isReadEnded = true;
    this.#closeNotice.due(this.#error);
  }
}

/** Node's stream errors in our words. */
export function mapStreamError(error: Error): Error {
  if (NetError.is(error)) return error;
  const code = systemCodeOf(error);
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return new NetError('ERR_NET_RESET', `connection reset by peer (${code})`, { cause: error });
  }
  return new NetError('ERR_NET_IO', `connection failed: ${error.message}`, { cause: error });
}
