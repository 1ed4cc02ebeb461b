/**
 * Questions of a data thread to the control plane about addresses: one outstanding per key, bounded waiting, and a short
 * memory of keys that led to nothing (spec/waypoint.md 1.3, 2.3). Data thread.
 */

/** Longest wait of a CONNECT for an answer. */
const waitMs = 2000;
/** A key that was asked for is not asked again before this time. */
const quietMs = 5000;
/** Keys that are remembered. */
const maxKeys = 20_000;

/** Questions by key `network/ip`. */
export interface Lookups {
  /** Resolves when the question was answered, or after 2 s. */
  ask(key: string): Promise<void>;
  /** Asks without waiting (telemetry). */
  hint(key: string): void;
  /** The main thread has the answer (and sent the state before). */
  answered(key: string): void;
  close(): void;
}

interface Pending {
  readonly promise: Promise<void>;
  readonly settle: () => void;
}

/** Makes the list; `send` posts a question to the main thread. */
export const createLookups = (send: (key: string) => void): Lookups => {
  const pending = new Map<string, Pending>();
  const askedAt = new Map<string, number>();
  const start = (key: string): Pending => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => answered(key), waitMs).unref();
    const entry = {
      promise,
      settle: () => {
        clearTimeout(timer);
        resolve();
      },
    };
    pending.set(key, entry);
    if (askedAt.size >= maxKeys) askedAt.delete(askedAt.keys().next().value as string);
    askedAt.set(key, Date.now());
    send(key);
    return entry;
  };
  const isQuiet = (key: string): boolean => Date.now() - (askedAt.get(key) ?? Number.NEGATIVE_INFINITY) < quietMs;
  const answered = (key: string): void => {
    const entry = pending.get(key);
    pending.delete(key);
    entry?.settle();
  };
  return {
    ask: async (key) => {
      const running = pending.get(key);
      if (running !== undefined) return running.promise;
      if (isQuiet(key)) return undefined;
      return start(key).promise;
    },
    hint: (key) => {
      if (!pending.has(key) && !isQuiet(key)) start(key);
    },
    answered,
    close: () => {
      for (const { settle } of pending.values()) settle();
      pending.clear();
    },
  };
};
