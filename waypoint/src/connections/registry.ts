/**
 * Raw connections that are open, so that a policy change can end those that are no longer allowed (spec/waypoint.md 4.1.8).
 * In: connections of connections/tcp.ts and a call per configuration change. Out: ended connections. Data thread.
 */
import { connectionViewOf } from '../filters/hygiene.ts';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { CompiledConfig } from '../updates/compiled-config.ts';

/** Open raw connections of a data thread. */
export interface ConnectionRegistry {
  /** Adds a connection; dispose when it is over. `end` is called at most once. */
  add(tunnel: Tunnel, end: (policy: string) => void): Disposable;
  /** Asks the policies again and ends what they deny now; returns how many. */
  recheck(config: CompiledConfig): number;
  readonly size: number;
}

/** Makes a registry. */
export const createConnectionRegistry = (): ConnectionRegistry => {
  const open = new Set<{ readonly tunnel: Tunnel; readonly end: (policy: string) => void }>();
  return {
    get size() {
      return open.size;
    },
    add: (tunnel, end) => {
      const entry = { tunnel, end };
      open.add(entry);
      return { [Symbol.dispose]: () => void open.delete(entry) };
    },
    recheck: (config) => {
      let ended = 0;
      for (const entry of open) {
        const { key, port } = entry.tunnel.frontend;
        const frontend = config.frontendPort(key, port);
        if (typeof frontend === 'string') continue; // a frontend that went away ends by drain, not by policy
        const verdict = frontend.tcpAuthorizer().authorize(connectionViewOf(entry.tunnel, port));
        if (verdict.allow) continue;
        open.delete(entry);
        entry.end(verdict.policy);
        ended++;
      }
      return ended;
    },
  };
};
