/**
 * The body of the message that a connection receives, as a source with back-pressure. Filled by server-connection.ts and
 * client-connection.ts; data thread. Holds at most what one read brought.
 */
import type { BodyReceiver, BodySource } from '../body.ts';

/** A body that a parser fills. */
export class MessageBody implements BodySource {
  receiver: BodyReceiver | undefined;
  readonly #wanted: () => void;
  readonly #queue: Uint8Array[] = [];
  #batch: Uint8Array[] = [];
  #isPaused = true;
  #isDiscarding = false;
  #end: 'none' | 'whole' | 'broken' = 'none';
  #isTold = false;
  #error: Error | undefined;
  #trailers: readonly string[] = [];

  /** `wanted` is called when more may be delivered. */
  constructor(wanted: () => void) {
    this.#wanted = wanted;
  }

  get isComplete(): boolean {
    return this.#end === 'whole';
  }

  /** True while nothing must be delivered; the connection stops reading. */
  get isPaused(): boolean {
    return this.#isPaused && !this.#isDiscarding;
  }

  /** `[name, value, ...]` once the body is complete. */
  get trailers(): readonly string[] {
    return this.#trailers;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#drain();
    if (!this.#isPaused) this.#wanted();
  }

  pause(): void {
    this.#isPaused = true;
  }

  discard(): void {
    this.receiver = undefined;
    this.#queue.length = 0;
    this.#batch = [];
    this.#isDiscarding = true;
    this.#wanted();
  }

  /** Bytes came; they wait for `flush`, so that what one read brought goes on as one piece. */
  deliver(view: Uint8Array): void {
    if (!this.#isDiscarding) this.#batch.push(view);
  }

  /** Hands on what was delivered since the last call. */
  flush(): void {
    const [only] = this.#batch;
    if (only === undefined) return;
    const view = this.#batch.length === 1 ? only : Buffer.concat(this.#batch);
    this.#batch = [];
    if (this.#isPaused || this.#queue.length > 0 || this.receiver === undefined) this.#queue.push(view);
    else this.receiver.onData(view);
  }

  /** The message is whole. */
  finish(trailers: readonly string[]): void {
    this.flush();
    this.#trailers = trailers;
    this.#end = 'whole';
    if (!this.#isPaused) this.#drain();
  }

  /** The rest will not come. */
  break(error: Error | undefined): void {
    if (this.#end !== 'none') return;
    this.flush();
    this.#end = 'broken';
    this.#error = error;
    this.#tell();
  }

  #drain(): void {
    while (!this.#isPaused && this.receiver !== undefined) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) {
        if (this.#end !== 'none') this.#tell();
        return;
      }
      this.receiver.onData(chunk);
    }
  }

  #tell(): void {
    if (this.#isTold || this.receiver === undefined) return;
    this.#isTold = true;
    if (this.#end === 'whole') this.receiver.onEnd();
    else this.receiver.onBroken(this.#error);
  }
}
