// In: work, an interval. Out: the work done again and again, never twice at once. Called by unprotected/publish.ts and drift.ts.

/** Repeats until disposed; a round that is due while one runs is left out. The timer keeps no process alive. */
export function repeat(work: () => Promise<void>, intervalMs: number, onError: (error: unknown) => void): Disposable {
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    work()
      .catch(onError)
      .finally(() => (isBusy = false));
  }, intervalMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
