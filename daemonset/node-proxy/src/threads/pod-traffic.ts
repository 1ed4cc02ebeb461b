/**
 * One pod on one data thread: its descriptors in, its listeners, pool and connections out.
 *
 * Called by `data-thread.ts` for `pod-add`. `close` is the drain (stop accepting, GOAWAY, live connections finish),
 * `destroy` the removal of the pod (everything now; spec/node-proxy.md 8.7, 10.2, 10.3).
 */
import { createDrain } from '@ambit/runtime/drain';
import type { PeerIdentity, RevocationLists } from '@ambit/identity';
import { type Endpoint, type Keepalive, listen, type Listener } from '@ambit/net';
import type { StateDiff } from '@ambit/state';
import { createConnectionRegistry } from '../connections/registry.ts';
import { createReplyCache } from '../dns/reply-cache.ts';
import { type DnsListener, serveDnsTcp, serveDnsUdp } from '../dns/server.ts';
import type { PolicyFacts } from '../inbound/authorize.ts';
import { createTunnelServer, type TunnelServer } from '../inbound/listener.ts';
import { logDecision } from '../inbound/policy-log.ts';
import { servePlaintext } from '../inbound/passthrough.ts';
import { serveCaptured } from '../outbound/listener.ts';
import { createPodPool } from '../outbound/pod-pool.ts';
import { serveSocks5 } from '../outbound/socks5.ts';
import { podGone, revokedPeer } from '../telemetry/response-flags.ts';
import { closeDenied, concerns } from '../updates/policy-watcher.ts';
import type { DumpedConnection, PodAssignment } from './messages.ts';
import type { PodContext, ThreadContext } from './pod-context.ts';

/** One running pod of this thread. */
export interface PodTraffic {
  /** The state changed: closes connections that are no longer allowed. */
  onDiff(diff: StateDiff): void;
  /** The revocation lists changed: ends tunnels whose peer is revoked now. */
  endRevoked(lists: RevocationLists): void;
  /** Live HBONE connections, for the gauge of open sockets. */
  readonly tunnelConnections: number;
  list(): readonly DumpedConnection[];
  /** Stops accepting; resolves when the last connection ended or after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
  /** Ends everything now; returns how many connections were cut. */
  destroy(reason?: () => Error): number;
  /** Resolves when every connection wrote its last line, at the latest after `limitMs`. */
  ended(limitMs: number): Promise<void>;
}

/** Starts the listeners. Rejects when one fails; the others are closed then. */
export async function startPodTraffic(thread: ThreadContext, pod: PodAssignment): Promise<PodTraffic> {
  const registry = createConnectionRegistry<PolicyFacts>();
  const drain = createDrain();
  const podLog = thread.log.child(`${pod.workload.namespace}/${pod.workload.name}`);
  const context: PodContext = {
    ...thread,
    pod,
    registry,
    drain,
    pool: createPodPool(thread, pod),
    dnsCache: createReplyCache(),
    log: podLog,
  };
  const tunnels = createTunnelServer(context);
  const accepting = await openListeners(context, tunnels);
  let state: 'open' | 'closing' | 'closed' = 'open';

  return {
    onDiff(diff) {
      if (registry.size === 0 || !concerns(diff, thread.state.findOwn(pod.workload)?.uid)) return;
      const closed = closeDenied(registry, thread.state.snapshot(), thread.config.missingPolicy, (decision, facts) =>
        logDecision(context, decision, facts),
      );
      if (closed > 0) podLog.info('connections closed by a policy change', { count: closed });
    },
    endRevoked(lists) {
      const isRevoked = ({ path }: PeerIdentity, reporter: 'source' | 'destination'): boolean => {
        const answer = lists.isRevoked(path);
        if (answer) thread.revoked[reporter] += 1;
        return answer;
      };
      registry.destroyPeers((peer) => isRevoked(peer, 'source'), revokedPeer);
      tunnels.destroyWhere((peer) => isRevoked(peer, 'destination'), revokedPeer());
      context.pool.destroyWhere((_key, peer) => isRevoked(peer, 'source'), revokedPeer());
    },
    get tunnelConnections() {
      return tunnels.connections;
    },
    list: () => registry.list(),
    async close(deadlineMs) {
      if (state !== 'open') return;
      state = 'closing';
      for (const listener of accepting) listener.close();
      // Idle tunnels end by themselves once their peers saw the GOAWAY; cutting them would fail a stream on its way.
      await Promise.all([within(deadlineMs, tunnels.close()), drain.start('graceful', deadlineMs)]);
    },
    destroy(reason = podGone) {
      if (state === 'closed') return 0;
      state = 'closed';
      for (const listener of accepting) listener.destroy();
      const cut = registry.destroyAll(reason);
      tunnels.destroy(reason());
      context.pool.destroy(reason());
      return cut;
    },
    async ended(limitMs) {
      await drain.start('graceful', limitMs);
    },
  };
}

/** Waits for a promise, at most so long. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, ms);
  await Promise.race([promise, limit.promise]);
  clearTimeout(timer);
}

async function openListeners(context: PodContext, tunnels: TunnelServer): Promise<(Listener | DnsListener)[]> {
  const { listeners } = context.pod;
  const { keepalive } = context.config;
  const opened: (Listener | DnsListener)[] = [];
  const open = async (
    fd: number | undefined,
    serve: (endpoint: Endpoint) => void,
    kept: { readonly keepalive?: Keepalive } = {},
  ): Promise<void> => {
    if (fd === undefined) return;
    opened.push(await listen(fd, { backlog: 1024, onConnection: serve, log: context.log, ...kept }));
  };
  const openKept = async (
    fd: number | undefined,
    serve: (context: PodContext, endpoint: Endpoint) => Promise<void>,
  ): Promise<void> => {
    const accept = (endpoint: Endpoint): void => void serve(context, endpoint); // never rejects: each path ends in its record
    await open(fd, accept, keepalive === undefined ? {} : { keepalive });
  };
  try {
    for (const fd of listeners.dnsTcp) opened.push(await serveDnsTcp(context, fd));
    for (const { fd, family } of listeners.dnsUdp) opened.push(serveDnsUdp(context, fd, family));
    await open(listeners.hbone, (endpoint) => tunnels.accept(endpoint));
    await openKept(listeners.plaintext, servePlaintext);
    await openKept(listeners.outbound, serveCaptured);
    await openKept(listeners.socks5, serveSocks5);
    return opened;
  } catch (error) {
    for (const listener of opened) listener.close();
    throw error;
  }
}
