/**
 * Bodies on their way through the proxy: where bytes come from and where they go, without Node streams in between.
 * Implemented by the codecs (http/h1, and the adapters here for HTTP/2); used by pump.ts and request-body.ts. Data thread.
 */
import type { Readable } from 'node:stream';

/** Takes what a source delivers. Exactly one of `onEnd` and `onBroken` comes, last. */
export interface BodyReceiver {
  /** The chunk stays valid for ever. */
  onData(chunk: Uint8Array): void;
  /** Everything arrived, trailers included. */
  onEnd(): void;
  /** The rest will not come. */
  onBroken(error: Error | undefined): void;
}

/** Bytes that arrive. Paused until `resume`; one receiver at a time. */
export interface BodySource {
  receiver: BodyReceiver | undefined;
  /** Delivers what waits, now, and what comes later. */
  resume(): void;
  /** Nothing is delivered until the next `resume`; the peer is held back. */
  pause(): void;
  /** Nobody wants the rest: it is read and dropped, within the limits of the codec. */
  discard(): void;
  /** True once the end was received from the peer. */
  readonly isComplete: boolean;
}

/** Where bytes go; `write` answers false when the receiver is slow, `onDrain` says when to go on. */
export interface BodySink {
  write(chunk: Uint8Array): boolean;
  onDrain: (() => void) | undefined;
}

/** A source over a Node stream that somebody else ends. */
export class ReadableSource implements BodySource {
  receiver: BodyReceiver | undefined;
  readonly #stream: Readable;
  #isOver = false;
  #isDelivered = false;
  #isPaused = true;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.pause();
    stream.on('data', (chunk: Uint8Array) => this.receiver?.onData(chunk));
    stream.on('end', () => this.#finish(undefined, true));
    stream.on('error', (error) => this.#finish(error, false));
    stream.on('close', () => this.#finish(undefined, this.#stream.readableEnded));
    stream.pause();
  }

  get isComplete(): boolean {
    return this.#stream.readableEnded;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isOver) this.#deliverEnd();
    else this.#stream.resume();
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  discard(): void {
    this.receiver = undefined;
    this.#stream.resume();
  }

  #failure: { readonly error: Error | undefined } | undefined;

  #finish(error: Error | undefined, isWhole: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!isWhole) this.#failure = { error };
    if (!this.#isPaused || !isWhole) this.#deliverEnd();
  }

  #deliverEnd(): void {
    if (this.#isDelivered || this.receiver === undefined) return;
    this.#isDelivered = true;
    if (this.#failure === undefined) this.receiver.onEnd();
    else this.receiver.onBroken(this.#failure.error);
  }
}

/** A source of bytes that are here already. */
export const bytesSource = (bytes: Uint8Array): BodySource => {
  let isGiven = false;
  return {
    receiver: undefined,
    isComplete: true,
    pause: () => undefined,
    discard: () => undefined,
    resume() {
      if (isGiven || this.receiver === undefined) return;
      isGiven = true;
      this.receiver.onData(bytes);
      this.receiver.onEnd();
    },
  };
};
