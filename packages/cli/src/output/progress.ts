// In: what is being waited for. Out: lines on standard error while it takes long. Called by commands that wait.

/** Waits and says so. `done` is called once. */
export interface Progress {
  readonly update: (text: string) => void;
  readonly done: (text?: string) => void;
}

let current: string | undefined;

/** What the program is waiting for right now; for Ctrl-C. */
export const currentProgress = (): string | undefined => current;

/** Starts a progress line: rewritten in place on a terminal, one line per change elsewhere. */
export function startProgress(text: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const started = performance.now();
  let shown = '';
  const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const show = (next: string): void => {
    current = next;
    if (next === shown) return;
    shown = next;
    if (stream.isTTY) stream.write(`\r\x1b[2K  ${next} [${seconds()}]`);
    else stream.write(`  ${next}\n`);
  };
  show(text);
  return {
    update: show,
    done: (final) => {
      current = undefined;
      if (stream.isTTY) stream.write('\r\x1b[2K');
      if (final !== undefined) stream.write(`  ${final} (${seconds()})\n`);
    },
  };
}
