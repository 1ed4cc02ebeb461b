// Copies between two endpoints until both directions are over: the L4 data path of every proxy. In: two endpoints it
// now owns. Out: both closed, and what was carried. Called per connection on a data thread; decides nothing.
import { type CancelSignal, offCancelled, onCancelled } from '@ambit/runtime/cancellation';
import { AGAIN, type Endpoint, EOF } from './endpoint.ts';
import { isNormalEnd, NetError } from './errors.ts';
import type { Region } from './region.ts';

/** Bytes taken from one side before they are handed to the other, so that big runs become one write. */
const BATCH_BYTES = 256 * 1024;

/** How to watch and end a relay. */
export interface RelayOptions {
  /** Ends both sides with a reset when it aborts; the result's error is its reason. */
  readonly signal?: CancelSignal;
  /** Called after each batch with the totals so far. Must not throw. */
  readonly onProgress?: (aToB: number, bToA: number) => void;
  /** Ends both sides when nothing moved for this long. Default never. */
  readonly idleTimeoutMs?: number;
}

/** What a relay carried and why it ended. */
export interface RelayResult {
  readonly aToB: number;
  readonly bToA: number;
  /** Undefined after an ordinary end; resets of either side are ordinary (spec node-proxy 3.1). */
  readonly error: Error | undefined;
  /** The side whose own failure `error` is; undefined without an error and after an abort or idle end. */
  readonly failedSide: 'a' | 'b' | undefined;
  /** Who ended it first. */
  readonly closedBy: 'a' | 'b' | 'signal' | 'idle';
}

/**
 * Relays until both directions ended. Half-closes are passed on; a reset of one side ends the other with FIN. Owns
 * both endpoints from the call on and has closed both when it resolves. Never rejects.
 */
export function relay(a: Endpoint, b: Endpoint, options: RelayOptions = {}): Promise<RelayResult> {
  return new Promise((resolve) => new Relay(a, b, options, resolve));
}

interface Direction {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly name: 'a' | 'b';
  bytes: number;
  isBlocked: boolean;
  isDone: boolean;
}

class Relay {
  readonly #aToB: Direction;
  readonly #bToA: Direction;
  readonly #options: RelayOptions;
  readonly #resolve: (result: RelayResult) => void;
  readonly #idleTimer: NodeJS.Timeout | undefined;
  #closedBy: RelayResult['closedBy'] | undefined;
  #error: Error | undefined;
  #failedSide: RelayResult['failedSide'];
  #openSides = 2;

  constructor(a: Endpoint, b: Endpoint, options: RelayOptions, resolve: (result: RelayResult) => void) {
    this.#aToB = { from: a, to: b, name: 'a', bytes: 0, isBlocked: false, isDone: false };
    this.#bToA = { from: b, to: a, name: 'b', bytes: 0, isBlocked: false, isDone: false };
    this.#options = options;
    this.#resolve = resolve;
    this.#attach(this.#aToB, this.#bToA);
    this.#attach(this.#bToA, this.#aToB);
    const { signal, idleTimeoutMs } = options;
    if (idleTimeoutMs !== undefined) {
      this.#idleTimer = setTimeout(() => this.#onIdle(idleTimeoutMs), idleTimeoutMs);
      this.#idleTimer.unref();
    }
    if (signal?.aborted === true) this.#onAbort();
    else onCancelled(signal, this.#onAbort);
    this.#pump(this.#aToB);
    this.#pump(this.#bToA);
  }

  #attach(direction: Direction, reverse: Direction): void {
    const onReadable = () => this.#pump(direction);
    direction.from.onReadable = onReadable;
    const onWritable = () => {
      direction.isBlocked = false;
      this.#pump(direction);
    };
    direction.to.onWritable = onWritable;
    const onClose = (error: Error | undefined) => this.#onSideClosed(direction, reverse, error);
    direction.from.onClose = onClose;
  }

  #pump(direction: Direction): void {
    if (direction.isDone) return;
    while (!direction.isBlocked) {
      const batch: Region[] = [];
      let size = 0;
      let next = direction.from.read();
      while (typeof next !== 'symbol') {
        batch.push(next);
        size += next.length;
        if (size >= BATCH_BYTES) break;
        next = direction.from.read();
      }
      if (size > 0) this.#forward(direction, batch, size);
      if (next === EOF) return this.#finish(direction);
      if (next === AGAIN) return;
    }
  }

  #forward(direction: Direction, batch: readonly Region[], size: number): void {
    direction.bytes += size;
    if (direction.to.write(batch) === 'pending') direction.isBlocked = true;
    this.#idleTimer?.refresh();
    this.#options.onProgress?.(this.#aToB.bytes, this.#bToA.bytes);
  }

  #finish(direction: Direction): void {
    direction.isDone = true;
    this.#closedBy ??= direction.name;
    direction.to.shutdownWrite();
  }

  // `from` is gone: what it sent is on its way, what was meant for it has no reader any more.
  #onSideClosed(direction: Direction, reverse: Direction, error: Error | undefined): void {
    this.#closedBy ??= direction.name;
    if (error !== undefined && this.#error === undefined && !isNormalEnd(error)) {
      this.#error = error;
      this.#failedSide = direction.name;
    }
    direction.isDone = true;
    reverse.isDone = true;
    direction.to.shutdownWrite();
    direction.to.close();
    this.#openSides -= 1;
    if (this.#openSides === 0) this.#settle();
  }

  #onIdle(idleTimeoutMs: number): void {
    this.#end('idle', new NetError('ERR_NET_IDLE', `no data for ${idleTimeoutMs} ms`));
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#options.signal?.reason;
    this.#end('signal', reason instanceof Error ? reason : new Error('relay aborted', { cause: reason }));
  };

  #end(by: 'signal' | 'idle', reason: Error): void {
    this.#closedBy ??= by;
    this.#error ??= reason;
    this.#aToB.isDone = true;
    this.#bToA.isDone = true;
    this.#aToB.from.destroy(reason);
    this.#bToA.from.destroy(reason);
  }

  #settle(): void {
    clearTimeout(this.#idleTimer);
    const { signal } = this.#options;
    offCancelled(signal, this.#onAbort);
    this.#resolve({
      aToB: this.#aToB.bytes,
      bToA: this.#bToA.bytes,
      error: this.#error,
      failedSide: this.#failedSide,
      closedBy: this.#closedBy ?? 'a',
    });
  }
}
