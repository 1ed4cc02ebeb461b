/**
 * Things that wait for a collector, in batches: spans and log records (spec/waypoint.md 7.3, 7.4). In: one item at a time. Out: batches.
 * Never holds a request up: when the collector is slow or away, items are dropped and counted. One per kind and data thread.
 */
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';

/** Items of one batch. */
const batchItems = 512;
/** Items that wait while a batch is under way. */
const maxWaiting = 2048;

/** Settings of {@link BatchQueue}. */
export interface BatchQueueOptions<Item, Target> {
  /** Sends one batch; a rejection drops it. */
  readonly send: (items: readonly Item[], target: Target) => Promise<void>;
  /** Hears of dropped items. */
  readonly onDropped: (count: number) => void;
  /** How long a batch waits for more items, ms. */
  readonly waitMs: number;
  /** What the items are, for the log. */
  readonly what: string;
  readonly log: Logger;
}

/** A queue for all targets. */
export class BatchQueue<Item, Target> {
  readonly #options: BatchQueueOptions<Item, Target>;
  #waiting: { readonly item: Item; readonly target: Target }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: BatchQueueOptions<Item, Target>) {
    this.#options = options;
  }

  /** Takes an item; it is sent later, or dropped. */
  add(item: Item, target: Target): void {
    if (this.#waiting.length >= maxWaiting) {
      this.#options.onDropped(1);
      return;
    }
    this.#waiting.push({ item, target });
    if (this.#waiting.length >= batchItems) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), this.#options.waitMs).unref();
  }

  /** Sends what waits, now. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  /** Forgets what waits. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  async #sendAll(): Promise<void> {
    const { send, onDropped, what, log } = this.#options;
    while (this.#waiting.length > 0) {
      const { target } = this.#waiting[0] as { target: Target };
      const batch = this.#waiting.filter((one) => one.target === target).slice(0, batchItems);
      const taken = new Set(batch);
      this.#waiting = this.#waiting.filter((one) => !taken.has(one));
      try {
        await send(
          batch.map(({ item }) => item),
          target,
        );
      } catch (error) {
        onDropped(batch.length);
        log.warn(`${what} were dropped`, { count: batch.length, error: messageOf(error) });
      }
    }
  }
}
