// PINGs of one session: first after the interval, next one interval after the answer (spec node-proxy 2.4). A missing
// answer is reported once. Used by both ends of tunnels, and by connections that the waypoint makes to backends.
import { pingTimedOut } from './errors.ts';
import type { HboneLimits } from './tunnel.ts';

/** What can be pinged: a core http2 session, or one of our own. */
export interface Pingable {
  readonly destroyed: boolean;
  /** Calls back when the answer came, with an error when it never will. */
  ping(onAnswer: (error: Error | null) => void): boolean;
  /** Whether anything came since this was last asked: then the peer lives, and its answer waits behind other frames. */
  takeHeard?(): boolean;
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
  const onLate = (): void => {
    if (session.takeHeard?.() === true) arm(limits.pingTimeoutMs, onLate);
    else onDead(pingTimedOut(peerName, limits.pingTimeoutMs));
  };
  const ping = (): void => {
    if (session.destroyed) return;
    session.takeHeard?.();
    arm(limits.pingTimeoutMs, onLate);
    session.ping((error) => {
      if (error === null && !session.destroyed) arm(limits.pingIntervalMs, ping);
      else clearTimeout(timer);
    });
  };
  arm(limits.pingIntervalMs, ping);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
