// PINGs of one session: first after the interval, next one interval after the answer (spec node-proxy 2.4). A missing
// answer is reported once. Used by both ends.
import { pingTimedOut } from './errors.ts';
import type { HboneLimits } from './tunnel.ts';

/** What can be pinged: a core http2 session, or one of our own. */
export interface Pingable {
  readonly destroyed: boolean;
  /** Calls back when the answer came, with an error when it never will. */
  ping(onAnswer: (error: Error | null) => void): boolean;
}

/** Starts pinging; disposing stops. `onDead` is called at most once. */
export function startKeepalive(
  session: Pingable,
  peerName: string,
  limits: Pick<HboneLimits, 'pingIntervalMs' | 'pingTimeoutMs'>,
  onDead: (error: Error) => void,
): Disposable {
  if (limits.pingIntervalMs === 0) return { [Symbol.dispose]() {} };
  let timer: NodeJS.Timeout;
  const arm = (ms: number, fn: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(fn, ms);
    timer.unref();
  };
  const ping = (): void => {
    if (session.destroyed) return;
    arm(limits.pingTimeoutMs, () => onDead(pingTimedOut(peerName, limits.pingTimeoutMs)));
    session.ping((error) => {
      if (error === null && !session.destroyed) arm(limits.pingIntervalMs, ping);
      else clearTimeout(timer);
    });
  };
  arm(limits.pingIntervalMs, ping);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
