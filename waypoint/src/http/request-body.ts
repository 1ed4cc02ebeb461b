/**
 * The body of a request on its way to a backend, kept for another try as long as it is small (spec/waypoint.md 4.6.5).
 * In: the client's body. Out: chunks into the sink of the current try, with back-pressure. Data thread.
 */
import type { BodySink, BodySource } from './body.ts';

/** Bytes that are kept for a retry; larger bodies are sent once. */
export const REPLAY_LIMIT_BYTES = 1024 * 1024;

/** Receives a body and its end. */
export interface BodyTarget extends BodySink {
  end(): void;
}

/** A body that can be sent again while it fits the limit. One owner: the router of its request. */
export class RequestBody {
  readonly #source: BodySource | undefined;
  #recorded: Uint8Array[] = [];
  #isRecording = true;
  #isOverflown = false;
  #isPeeking = false;
  /** Receivers of copies: each chunk, then undefined for the end; false = no more. */
  #copies: ((chunk: Uint8Array | undefined) => boolean)[] = [];
  #bytes = 0;
  #ended: boolean;
  #target: BodyTarget | undefined;

  /** `undefined` stands for "no body". */
  constructor(source: BodySource | undefined) {
    this.#source = source;
    this.#ended = source === undefined;
    if (source === undefined) return;
    source.receiver = {
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#onEnd(),
      onBroken: () => this.#onBroken(),
    };
  }

  /** Bytes received from the client so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when another try can send the same bytes again. */
  get isReplayable(): boolean {
    return !this.#isOverflown;
  }

  /** True when the client has sent everything. */
  get isComplete(): boolean {
    return this.#ended;
  }

  /** Waiters for the end of a source that broke. */
  readonly #onGone: (() => void)[] = [];
  #isBroken = false;

  /** Called for each chunk. */
  onChunk: ((chunk: Uint8Array) => void) | undefined;

  /** Called once when the client has sent everything. */
  onComplete: (() => void) | undefined;

  /** Sends what was recorded and then what arrives to `target`, until `detach` or the end. */
  attach(target: BodyTarget): void {
    this.detach();
    this.#target = target;
    const onDrain = () => this.#source?.resume();
    target.onDrain = onDrain;
    let isSlow = false;
    for (const chunk of this.#recorded) if (!target.write(chunk)) isSlow = true;
    if (this.#ended) {
      this.#target = undefined;
      target.onDrain = undefined;
      target.end();
    } else if (!isSlow) this.#source?.resume();
  }

  /** Stops sending to the current target. */
  detach(): void {
    if (this.#target !== undefined) this.#target.onDrain = undefined;
    this.#target = undefined;
    this.#source?.pause();
  }

  /**
   * Waits for the first `limitBytes` of the body without taking them away: a later target gets them as well.
   * Resolves earlier when the client has sent everything or is gone.
   */
  async peek(limitBytes: number): Promise<{ readonly bytes: Buffer; readonly isPartial: boolean }> {
    if (!this.#ended && !this.#isBroken && this.#bytes <= limitBytes && this.#source !== undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#isPeeking = true;
      this.#onGone.push(resolve);
      this.attach({
        write: () => {
          if (this.#bytes > limitBytes) resolve();
          return this.#bytes <= limitBytes;
        },
        end: resolve,
        onDrain: undefined,
      });
      await promise;
      this.detach();
      this.#isPeeking = false;
    }
    const bytes = Buffer.concat(this.#recorded);
    return { bytes: bytes.subarray(0, limitBytes), isPartial: bytes.byteLength > limitBytes };
  }

  /**
   * A copy of the whole body for somebody else; undefined when it is longer than `limitBytes` or does not arrive whole.
   * Ask before the first byte moves.
   */
  copy(limitBytes: number): Promise<Buffer | undefined> {
    const source = this.#source;
    if (source === undefined) return Promise.resolve(Buffer.alloc(0));
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    const pieces: Uint8Array[] = [...this.#recorded];
    if (this.#isOverflown) resolve(undefined);
    else if (this.#ended) resolve(Buffer.concat(pieces));
    this.#copies.push((chunk) => {
      if (chunk !== undefined) pieces.push(chunk);
      if (this.#bytes > limitBytes) resolve(undefined);
      else if (chunk === undefined) resolve(Buffer.concat(pieces));
      return this.#bytes <= limitBytes;
    });
    this.#onGone.push(() => resolve(undefined));
    return promise;
  }

  /** Forgets the recording: no further try will come. */
  release(): void {
    this.#isRecording = false;
    this.#recorded = [];
    this.#isOverflown = this.#bytes > 0;
  }

  #onData(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    this.onChunk?.(chunk);
    if (this.#isRecording) this.#record(chunk);
    if (this.#copies.length > 0) this.#copies = this.#copies.filter((copy) => copy(chunk));
    if (this.#target === undefined || !this.#target.write(chunk)) this.#source?.pause();
  }

  #record(chunk: Uint8Array): void {
    if (this.#bytes <= REPLAY_LIMIT_BYTES || this.#isPeeking) {
      this.#recorded.push(chunk);
      return;
    }
    this.#isRecording = false;
    this.#isOverflown = true;
    this.#recorded = [];
  }

  #onEnd(): void {
    this.#ended = true;
    for (const copy of this.#copies) copy(undefined);
    this.#copies = [];
    const target = this.#target;
    this.#target = undefined;
    if (target !== undefined) target.onDrain = undefined;
    target?.end();
    this.onComplete?.();
    this.#onBroken();
  }

  #onBroken(): void {
    this.#isBroken = true;
    for (const gone of this.#onGone.splice(0)) gone();
  }
}
