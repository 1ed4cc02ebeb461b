/**
 * A client that sends recorded bytes through a tunnel and keeps what comes back. In: a tunnel and the steps of a situation.
 * Out: raw response bytes and how the connection looked afterwards. Used by envoy-http-golden.test.ts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { AGAIN, type Endpoint, EOF, Region } from '@ambit/net';

/** State of a connection as its client sees it. */
export type After = 'open' | 'closed' | 'reset';

/** Pause between two steps of a situation. */
const stepMs = 150;

/** One raw connection. */
export class RawClient {
  readonly #endpoint: Endpoint;
  #received = '';
  #after: After = 'open';
  #wake: (() => void) | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    endpoint.onReadable = () => this.#read();
    endpoint.onClose = (error) => {
      if (error !== undefined) this.#after = 'reset';
      else if (this.#after === 'open') this.#after = 'closed';
      this.#wake?.();
    };
    this.#read();
  }

  /** Everything received, one character per byte. */
  get received(): string {
    return this.#received;
  }

  get after(): After {
    return this.#after;
  }

  /** Sends the steps: text is sent, numbers are pauses in seconds. */
  async send(steps: readonly (string | number)[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      if (typeof step === 'number') await pause(step * 1000);
      else {
        if (index > 0) await pause(stepMs);
        this.#endpoint.write([Region.of(Buffer.from(step, 'latin1'))]);
      }
    }
  }

  /** Waits until `isDone`, at most `limitMs`; true when it came true. */
  async until(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs;
    while (!isDone()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, leftMs);
      await promise;
      clearTimeout(timer);
    }
    return true;
  }

  /** Goes away. */
  leave(): void {
    this.#endpoint.close();
  }

  #read(): void {
    for (;;) {
      const region = this.#endpoint.read();
      if (region === AGAIN) break;
      if (region === EOF) {
        if (this.#after === 'open') this.#after = 'closed';
        break;
      }
      this.#received += region.bytes.toString('latin1');
      region.release();
    }
    this.#wake?.();
  }
}
