// Two endpoints joined in memory: the fastest double for anything that takes an endpoint. Delivery is asynchronous
// (one microtask), windows are bounded, half-close and reset behave as on a socket.
import { AGAIN, type Endpoint, EOF, type WriteResult } from '../endpoint.ts';
import { NetError } from '../errors.ts';
import type { Region } from '../region.ts';

/** Bytes one direction holds before the writer is asked to wait. */
export const MEMORY_WINDOW_BYTES = 256 * 1024;

/** Makes a connected pair. */
export function memoryPair(): [Endpoint, Endpoint] {
  const a = new MemoryEndpoint();
  const b = new MemoryEndpoint();
  a.other = b;
  b.other = a;
  return [a, b];
}

class MemoryEndpoint implements Endpoint {
  readonly local = undefined;
  readonly remote = undefined;
  other: MemoryEndpoint | undefined;
  bytesRead = 0;
  bytesWritten = 0;
  isClosed = false;
  onReadable: (() => void) | undefined;
  onWritable: (() => void) | undefined;
  #onClose: ((error: Error | undefined) => void) | undefined;
  #queue: Region[] = [];
  #queued = 0;
  #peerFinished = false;
  #eofTaken = false;
  #finished = false;
  #wantsReadable = true;
  #wantsWritable = false;
  #error: Error | undefined;
  #told = false;

  get onClose(): ((error: Error | undefined) => void) | undefined {
    return this.#onClose;
  }

  set onClose(callback: ((error: Error | undefined) => void) | undefined) {
    this.#onClose = callback;
    if (this.isClosed) queueMicrotask(() => this.#tell());
  }

  read(): Region | typeof AGAIN | typeof EOF {
    const region = this.#queue.shift();
    if (region !== undefined) {
      this.#queued -= region.length;
      this.bytesRead += region.length;
      this.other?.drained(this.#queued);
      return region;
    }
    if (this.#peerFinished || this.isClosed) {
      this.#eofTaken = true;
      this.#settle();
      return EOF;
    }
    this.#wantsReadable = true;
    return AGAIN;
  }

  write(regions: readonly Region[]): WriteResult {
    if (this.#finished || this.isClosed || this.other === undefined || this.other.isClosed) {
      for (const region of regions) region.release();
      return 'accepted';
    }
    for (const region of regions) this.bytesWritten += region.length;
    if (this.other.arrive(regions) <= MEMORY_WINDOW_BYTES) return 'accepted';
    this.#wantsWritable = true;
    return 'pending';
  }

  shutdownWrite(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.other?.finish();
    this.#settle();
  }

  close(): void {
    if (this.isClosed) return;
    this.shutdownWrite();
    this.#end(undefined);
    if (!this.#peerFinished) this.other?.cancel();
  }

  destroy(reason: Error): void {
    if (this.isClosed) return;
    const { other } = this;
    this.#end(reason);
    if (other?.isClosed === false) other.#end(new NetError('ERR_NET_RESET', 'connection reset by peer'));
  }

  /** The other side wrote. Returns what waits now. */
  arrive(regions: readonly Region[]): number {
    for (const region of regions) {
      this.#queue.push(region);
      this.#queued += region.length;
    }
    this.#wake();
    return this.#queued;
  }

  finish(): void {
    this.#peerFinished = true;
    this.#wake();
  }

  /** The other side reads no more. */
  cancel(): void {
    this.#finished = true;
    queueMicrotask(() => this.#settle());
  }

  drained(left: number): void {
    if (!this.#wantsWritable || left > MEMORY_WINDOW_BYTES / 4) return;
    this.#wantsWritable = false;
    queueMicrotask(() => this.onWritable?.());
  }

  #wake(): void {
    if (!this.#wantsReadable) return;
    queueMicrotask(() => {
      if (!this.#wantsReadable || this.onReadable === undefined) return;
      this.#wantsReadable = false;
      this.onReadable();
    });
  }

  #settle(): void {
    if (this.#finished && this.#eofTaken) this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#error = error;
    for (const region of this.#queue) region.release();
    this.#queue = [];
    queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    if (this.#told || this.#onClose === undefined) return;
    this.#told = true;
    this.#onClose(this.#error);
  }
}
