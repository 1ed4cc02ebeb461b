// A pause that can be cut short. Main thread.

/** Lets one task wait for a time or for `wake()`, whichever comes first. */
export interface WakeUp {
  wait(ms: number): Promise<void>;
  wake(): void;
}

/** Makes a wake-up; a `wake()` between waits ends the next one at once. */
export function createWakeUp(): WakeUp {
  let pending: (() => void) | undefined;
  let isWoken = false;
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        if (isWoken) {
          isWoken = false;
          return resolve();
        }
        const timer = setTimeout(() => pending?.(), ms);
        pending = () => {
          clearTimeout(timer);
          pending = undefined;
          isWoken = false;
          resolve();
        };
      }),
    wake: () => {
      if (pending === undefined) isWoken = true;
      else pending();
    },
  };
}
