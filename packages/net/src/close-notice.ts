// The end of an endpoint, told once and last. In: that it is over, with the error when there was one. Out: `onClose` is called exactly
// once, never from inside another call, also when it is set late. Used by every endpoint of this package and of the tunnels. Any thread.

/** What {@link Endpoint.onClose} is set to. */
export type CloseCallback = (error: Error | undefined) => void;

/** Holds `onClose` for one endpoint. */
export class CloseNotice {
  #state: 'open' | 'due' | 'told' = 'open';
  #error: Error | undefined;
  #callback: CloseCallback | undefined;

  /** True from the moment the end is due. */
  get isDue(): boolean {
    return this.#state !== 'open';
  }

  get callback(): CloseCallback | undefined {
    return this.#callback;
  }

  set callback(callback: CloseCallback | undefined) {
    this.#callback = callback;
    if (this.#state === 'due') this.#tellSoon();
  }

  /** The endpoint is over. Idempotent: the first reason counts. */
  due(error: Error | undefined): void {
    if (this.#state !== 'open') return;
    this.#state = 'due';
    this.#error = error;
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#callback !== undefined) queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    if (this.#state !== 'due' || this.#callback === undefined) return;
    this.#state = 'told';
    this.#callback(this.#error);
  }
}
