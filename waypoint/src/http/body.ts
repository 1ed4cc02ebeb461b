/**
 * Bodies on their way through the proxy: where bytes come from and where they go, without Node streams in between.
 * Implemented by the codecs (http/h1, http/h2); used by request-body.ts and upstream/relay-response.ts. Data thread.
 */

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
