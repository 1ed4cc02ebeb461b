// Work that looks at everything each time it runs. In: wishes, any number. Out: one run at a time, and one more when something was wished
// meanwhile. Used by what writes to the cluster; main thread.
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';

/** Settings of {@link whenWanted}. */
export interface WhenWantedOptions {
  /** Names the work where it fails. */
  readonly name: string;
  /** Asked before each look: nothing is looked at any more. */
  readonly isOver: () => boolean;
  /** May wish for one more. What it throws ends this run and is logged. */
  readonly look: () => Promise<void>;
  readonly log: Logger;
}

/** Makes the wish: calling it asks for a look. */
export function whenWanted({ name, isOver, look, log }: WhenWantedOptions): () => void {
  let isRunning = false;
  let isWanted = false;
  const run = async (): Promise<void> => {
    isRunning = true;
    try {
      while (isWanted && !isOver()) {
        isWanted = false;
        await look();
      }
    } finally {
      isRunning = false;
    }
  };
  return () => {
    isWanted = true;
    if (!isRunning && !isOver()) background(log, name, run());
  };
}
