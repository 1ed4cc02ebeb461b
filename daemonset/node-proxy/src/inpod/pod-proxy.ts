/**
 * A network namespace (or loopback address) in; all sockets of the pod, handed to the data threads, out.
 * Path 5, step 8. Main thread.
 *
 * Called by `workload-manager.ts` through `app.ts`. Every socket is made by a synchronous section of `@ambit/net`
 * (enter, create, leave); each data thread gets its own SO_REUSEPORT listener per port. All exist before the pod is
 * acknowledged (spec/node-proxy.md 8.6).
 */
import {
  bindListener,
  bindTransparentListener,
  bindUdp,
  closeFd,
  type ListenerSpec,
  type SocketDomain,
  writeSysctl,
} from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import { errorText } from '../telemetry/response-flags.ts';
import type { PodListeners } from '../threads/messages.ts';
import type { ThreadPool } from '../threads/thread-pool.ts';
import type { RunningPod } from './workload-manager.ts';
import type { WorkloadInfo } from './zds-protocol.ts';

/** Which sockets a pod gets. */
export interface PodSocketPlan {
  /** 15001 and 15006: only where something redirects to them. */
  readonly captured: boolean;
  readonly hbone: boolean;
  readonly socks5: boolean;
  readonly dns: { readonly addresses: readonly string[]; readonly port: number } | undefined;
  readonly mark: number | undefined;
  readonly reusePort: boolean;
  /** Undefined: both families where there are both. */
  readonly wildcard: string | undefined;
  readonly originalSource: 'auto' | 'always' | 'never';
}

/** Ports of spec/node-proxy.md 1.3 that cannot be configured. */
export const PORTS = { outbound: 15001, plaintext: 15006, hbone: 15008, socks5: 15080 } as const;

/** Sockets of one pod for all threads. */
export interface PodSockets {
  readonly perThread: readonly PodListeners[];
  readonly preserveSource: boolean;
}

/** Makes all sockets of a pod. Throws after closing what was made when one cannot be bound. */
export function createPodSockets(domain: SocketDomain, plan: PodSocketPlan, threads: number): PodSockets {
  const made: number[] = [];
  const keep = (fd: number): number => {
    made.push(fd);
    return fd;
  };
  try {
    let transparent = plan.originalSource !== 'never';
    const perThread: PodListeners[] = [];
    for (let index = 0; index < threads; index += 1) {
      const tcp = (port: number): number => {
        const spec = specOf(plan, port, threads);
        if (plan.originalSource === 'never' || domain.kind === 'loopback') return keep(bindListener(domain, spec));
        const { fd, isTransparent } = bindTransparentListener(domain, spec);
        transparent &&= isTransparent;
        return keep(fd);
      };
      perThread.push(podListeners(domain, plan, tcp, keep, threads));
    }
    if (plan.originalSource === 'always' && !transparent)
      throw new Error('ENABLE_ORIG_SRC is true but IP_TRANSPARENT cannot be set');
    return { perThread, preserveSource: transparent };
  } catch (error) {
    for (const fd of made) closeFd(fd);
    throw error;
  }
}

function podListeners(
  domain: SocketDomain,
  plan: PodSocketPlan,
  tcp: (port: number) => number,
  keep: (fd: number) => number,
  threads: number,
): PodListeners {
  const dns = plan.dns;
  const dnsSpec = (address: string): ListenerSpec => ({ ...specOf(plan, dns?.port ?? 0, threads), address });
  const addresses = dns?.addresses ?? [];
  return {
    dnsTcp: addresses.map((address) => keep(bindListener(domain, dnsSpec(address)))),
    dnsUdp: addresses.map((address) => ({
      fd: keep(bindUdp(domain, dnsSpec(address))),
      family: address.includes(':') ? 6 : 4,
    })),
    ...(plan.hbone ? { hbone: tcp(PORTS.hbone) } : {}),
    ...(plan.captured ? { plaintext: tcp(PORTS.plaintext), outbound: tcp(PORTS.outbound) } : {}),
    ...(plan.socks5 ? { socks5: keep(bindListener(domain, socks5Spec(domain, plan, threads))) } : {}),
  };
}

function specOf(plan: PodSocketPlan, port: number, threads: number): ListenerSpec {
  return {
    port,
    ...(plan.wildcard === undefined ? {} : { address: plan.wildcard }),
    reusePort: plan.reusePort || threads > 1,
    ...(plan.mark === undefined ? {} : { mark: plan.mark }),
  };
}

function socks5Spec(domain: SocketDomain, plan: PodSocketPlan, threads: number): ListenerSpec {
  const address = domain.kind === 'loopback' ? domain.address : '127.0.0.1';
  return { ...specOf(plan, PORTS.socks5, threads), address };
}

/**
 * Connections that wait in a listener's queue move to the successor's listener when this one closes
 * (spec/node-agent.md 9.2). Best effort: the node agent sets it too (decision W9).
 */
export function enableMigration(domain: SocketDomain, log: Logger): void {
  if (domain.kind !== 'netns') return;
  try {
    writeSysctl(domain.fd, 'ipv4/tcp_migrate_req', '1');
  } catch (error) {
    log.debug('tcp_migrate_req cannot be set here', { error: errorText(error) });
  }
}

let starts = 0;

/** Hands the sockets to the threads. Resolves when all listen; rejects after taking everything back when one fails. */
export async function startOnThreads(
  threads: ThreadPool,
  pod: {
    readonly uid: string;
    readonly workload: WorkloadInfo;
    readonly domain: SocketDomain;
    readonly sockets: PodSockets;
  },
): Promise<RunningPod> {
  starts += 1;
  const uid = `${pod.uid}#${starts}`;
  const { sockets, workload, domain } = pod;
  const added = sockets.perThread.map(async (listeners, index) =>
    threads.addPod(index, { uid, workload, domain, listeners, preserveSource: sockets.preserveSource }),
  );
  const results = await Promise.allSettled(added);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await threads.removePod(uid);
    throw failed.reason instanceof Error ? failed.reason : new Error(String(failed.reason));
  }
  return { stop: async () => threads.removePod(uid) };
}
