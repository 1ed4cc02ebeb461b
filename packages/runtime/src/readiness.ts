// In: one registration per thing the process waits for at start. Out: what is still awaited. One thread.

/** One awaited thing. Call `ready()` (or dispose) once it is there; both are idempotent. */
export interface ReadinessTask extends Disposable {
  ready(): void;
}

/** The list of what a process still waits for before it may take traffic. */
export interface Readiness {
  /** Adds a task; the process is not ready until the task is. A name may be registered again later (ready falls back). */
  register(task: string): ReadinessTask;
  /** Names of the tasks not yet ready, sorted. */
  pending(): readonly string[];
  /** Resolves the first time nothing is pending (also when nothing was ever registered by the next turn). */
  readonly whenReady: Promise<void>;
}

/** Makes a readiness list. */
export function createReadiness(): Readiness {
  const tasks = new Map<symbol, string>();
  const ready = Promise.withResolvers<void>();
  const settle = (): void => {
    if (tasks.size === 0) ready.resolve();
  };
  setImmediate(settle).unref();
  return {
    register(task) {
      const key = Symbol(task);
      tasks.set(key, task);
      const done = (): void => {
        if (tasks.delete(key)) settle();
      };
      return { ready: done, [Symbol.dispose]: done };
    },
    pending: () => [...new Set(tasks.values())].sort(),
    whenReady: ready.promise,
  };
}
