/**
 * Times of one request: idle, whole request body, route timeout, longest stream (spec/waypoint.md 5.8).
 * Made by order.ts only where something is limited; every expiry ends the request by `interrupt`. Data thread.
 */
import { type LocalReply, replies } from '@ambit/l7';

/** Limits in milliseconds; undefined = none. */
export interface Limits {
  readonly idleMs: number | undefined;
  /** First byte of the request to its last. */
  readonly requestMs: number | undefined;
  readonly streamMs: number | undefined;
}

/** Running clocks. */
export interface Deadlines {
  /** Something moved. */
  touch(): void;
  /** Runs the route's timeout from now on. */
  startTimeout(timeoutMs: number, reply: () => LocalReply): void;
  stop(): void;
}

/** Starts the clocks. `isRequestComplete` is asked at the end of a limit. */
export const startDeadlines = (
  { idleMs, requestMs, streamMs }: Limits,
  isRequestComplete: () => boolean,
  interrupt: (reply: LocalReply) => void,
): Deadlines => {
  const timers: NodeJS.Timeout[] = [];
  const start = (ms: number | undefined, then: () => void): NodeJS.Timeout | undefined => {
    if (ms === undefined) return undefined;
    const timer = setTimeout(then, ms).unref();
    timers.push(timer);
    return timer;
  };
  const idle = start(idleMs, () =>
    interrupt(isRequestComplete() ? replies.streamIdleAfterRequest : replies.streamIdle),
  );
  start(requestMs, () => {
    if (!isRequestComplete()) interrupt(replies.requestTimeout);
  });
  start(streamMs, () => interrupt(replies.maxStreamDuration));
  return {
    touch: () => {
      idle?.refresh();
    },
    startTimeout: (timeoutMs, reply) => {
      start(timeoutMs, () => interrupt(reply()));
    },
    stop: () => {
      for (const timer of timers) clearTimeout(timer);
    },
  };
};
