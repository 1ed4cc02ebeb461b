// In: connections as the kernel accepts them. Out: the same, at most five a second. Called by listen.ts. Main thread.
// A proxy that fails right after its hello connects again and again, and each time it would get every pod (spec node-agent 5.1).
import { type Clock, systemClock } from '@ambit/runtime/clock';
import type { ZdsChannel } from './channel.ts';

/** Time between two connections that are taken. */
export const ACCEPT_EVERY_MS = 200;
/** Connections that may wait; those that come beyond are closed. */
const MAX_WAITING = 64;

/** Takes one connection at once, and what follows too fast one after the other. */
export class AcceptPace {
  readonly #take: (channel: ZdsChannel) => void;
  readonly #clock: Clock;
  readonly #waiting: ZdsChannel[] = [];
  #nextAt = 0;
  #timer: Disposable | undefined;

  constructor(take: (channel: ZdsChannel) => void, clock: Clock = systemClock) {
    this.#take = take;
    this.#clock = clock;
  }

  /** Takes the channel over. One that ends while it waits is forgotten. */
  admit(channel: ZdsChannel): void {
    if (this.#waiting.length >= MAX_WAITING) return channel.close();
    this.#waiting.push(channel);
    void channel.closed.then(() => {
      const at = this.#waiting.indexOf(channel);
      if (at >= 0) this.#waiting.splice(at, 1);
    });
    this.#serve();
  }

  /** Closes those that still wait. */
  close(): void {
    this.#timer?.[Symbol.dispose]();
    for (const channel of this.#waiting.splice(0)) channel.close();
  }

  #serve(): void {
    if (this.#timer !== undefined || this.#waiting.length === 0) return;
    const waitMs = this.#nextAt - this.#clock.now();
    if (waitMs > 0) {
      this.#timer = this.#clock.setTimeout(() => {
        this.#timer = undefined;
        this.#serve();
      }, waitMs);
      return;
    }
    this.#nextAt = this.#clock.now() + ACCEPT_EVERY_MS;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#take(next);
    this.#serve();
  }
}
