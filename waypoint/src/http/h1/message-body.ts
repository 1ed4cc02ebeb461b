/**
 * The body of the message that a connection receives, as a source with back-pressure. Filled by server-connection.ts and
 * client-connection.ts; data thread. Holds at most what one read brought.
 */
import type { BodyReceiver, BodySource } from '../body.ts';

/** A body that a parser fills. */
export class MessageBody implements BodySource {
  receiver: BodyReceiver | undefined;
  readonly #connection: { resume(): void };
  #queue: Uint8Array[] | undefined;
  #only: Uint8Array | undefined;
  /** What one read brought beyond the first piece. */
  #more: Uint8Array[] | undefined;
  #isPaused = true;
  #isDiscarding = false;
  #end: 'none' | 'whole' | 'broken' = 'none';
  #isTold = false;
  #error: Error | undefined;
  #trailers: readonly string[] = [];

  /** `connection` is resumed when more may be delivered. */
  constructor(connection: { resume(): void }) {
    this.#connection = connection;
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
    if (!this.#isPaused) this.#connection.resume();
  }

  pause(): void {
    this.#isPaused = true;
  }

  discard(): void {
    this.receiver = undefined;
    this.#queue = undefined;
    this.#only = undefined;
    this.#more = undefined;
    this.#isDiscarding = true;
    this.#connection.resume();
  }

  /** Bytes came; they wait for `flush`, so that what one read brought goes on as one piece. */
  deliver(view: Uint8Array): void {
    if (this.#isDiscarding) return;
    if (this.#only === undefined) this.#only = view;
    else (this.#more ??= []).push(view);
  }

  /** Hands on what was delivered since the last call. */
  flush(): void {
    const only = this.#only;
    if (only === undefined) return;
    const view = this.#more === undefined ? only : Buffer.concat([only, ...this.#more]);
    this.#only = undefined;
    this.#more = undefined;
    if (this.#isPaused || this.#queue !== undefined || this.receiver === undefined) (this.#queue ??= []).push(view);
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
      const chunk = this.#queue?.shift();
      if (chunk === undefined) {
        this.#queue = undefined;
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
