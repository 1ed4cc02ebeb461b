// When a command that goes on by itself ends. Called by commands that watch.

/** Aborted by Ctrl-C, by SIGTERM, or after a time. */
export function endOf(forMs: number | undefined): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return forMs === undefined ? stop.signal : AbortSignal.any([stop.signal, AbortSignal.timeout(forMs)]);
}
