// That a peer gave up a CONNECT before it was answered: its owner hears of it once. In: the end of the stream, and a callback set sooner
// or later. Out: that callback. Used by the incoming tunnels of http2/ and framed/. An ordinary end after the answer costs nothing here:
// no error is made for it.

/** What {@link TunnelRequest.onAbandoned} is set to. */
export type AbandonedCallback = (reason: Error) => void;

/** Holds `onAbandoned` of one request. */
export class Abandonment {
  #callback: AbandonedCallback | undefined;
  #reason: Error | undefined;

  get callback(): AbandonedCallback | undefined {
    return this.#callback;
  }

  set callback(callback: AbandonedCallback | undefined) {
    this.#callback = callback;
    if (this.#reason !== undefined) callback?.(this.#reason);
  }

  /** True once told. */
  get isTold(): boolean {
    return this.#reason !== undefined;
  }

  /** The stream is over and nobody had answered. */
  tell(reason: Error): void {
    this.#reason = reason;
    this.#callback?.(reason);
  }
}
