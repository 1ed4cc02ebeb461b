/**
 * A pod of the node agent in; its sockets made where it lives, and its traffic running, out. Main thread.
 *
 * Called by `workload-manager.ts`. Decides between a network namespace and a loopback address; in the loopback domain
 * the pod's address comes from the workload's record, so a pod that is not known yet is started once it is.
 */
import { closeFd, readSysctl, type SocketDomain } from '@ambit/net';
import { sleep } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import type { NodeProxyConfig } from '../config.ts';
import { errorText, NodeProxyError } from '../telemetry/response-flags.ts';
import type { PodListeners } from '../threads/messages.ts';
import type { ThreadPool } from '../threads/thread-pool.ts';
import { createPodSockets, enableMigration, type PodSocketPlan, PORTS, startOnThreads } from './pod-proxy.ts';
import type { SupervisedListeners } from './supervised-listeners.ts';
import { type PodSpec, RETRY_MS, type RunningPod } from './workload-manager.ts';
import type { WorkloadInfo } from './zds-protocol.ts';

/** What starting a pod needs. */
export interface StartPodOptions {
  readonly config: NodeProxyConfig;
  readonly threads: ThreadPool;
  readonly supervised: SupervisedListeners | undefined;
  /** The pod's loopback address, as soon as its record is known; rejects when the signal aborts. */
  readonly loopbackAddress: (workload: WorkloadInfo, signal: AbortSignal) => Promise<string>;
  /** Aborted when the process drains: the supervisor's sockets are its successor's then. */
  readonly draining: AbortSignal;
  readonly log: Logger;
}

/** Starts one pod. */
export async function startPod(options: StartPodOptions, spec: PodSpec): Promise<RunningPod> {
  if (options.config.env.AMBIT_ZDS_TRANSPORT === 'stream') return startWhenKnown(options, spec);
  if (spec.netns === undefined) throw new NodeProxyError('ERR_NODE_PROXY_ZDS', 'the pod has no network namespace');
  const domain: SocketDomain = { kind: 'netns', fd: spec.netns };
  enableMigration(domain, options.log);
  const sockets = createPodSockets(domain, netnsPlan(options.config, spec.netns), options.threads.size);
  return startOnThreads(options.threads, { uid: spec.uid, workload: spec.workload, domain, sockets });
}

/** The sockets of a pod in its own namespace. */
function netnsPlan(config: NodeProxyConfig, netns: number): PodSocketPlan {
  const { env } = config;
  return {
    captured: env.ENABLE_PROXY,
    hbone: env.ENABLE_PROXY,
    socks5: env.UNSTABLE_ENABLE_SOCKS5,
    dns: config.dns === undefined ? undefined : { addresses: dnsAddresses(config, netns), port: config.dns.port },
    mark: config.packetMark,
    reusePort: env.INPOD_PORT_REUSE,
    wildcard: env.IPV6_ENABLED ? undefined : '0.0.0.0',
    originalSource: config.originalSource,
  };
}

function dnsAddresses(config: NodeProxyConfig, netns: number | undefined): readonly string[] {
  const address = config.dns?.address ?? 'localhost';
  if (address !== 'localhost') return [address];
  return config.env.IPV6_ENABLED && hasIpv6Loopback(netns) ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
}

/** IPv6 on `lo` counts as usable unless the kernel says that it is disabled (spec/node-proxy.md 1.3). */
function hasIpv6Loopback(netns: number | undefined): boolean {
  if (netns === undefined) return false;
  try {
    return readSysctl(netns, 'ipv6/conf/lo/disable_ipv6') !== '1';
  } catch {
    return false; // a kernel without IPv6 has no such file
  }
}

/** Loopback domain: acknowledged at once, started when the record arrives; stop ends the wait. */
async function startWhenKnown(options: StartPodOptions, spec: PodSpec): Promise<RunningPod> {
  const ending = new AbortController();
  const starting = startUntilItWorks(options, spec, ending.signal);
  starting.catch(() => undefined); // rejects only when the pod left
  return {
    async stop() {
      ending.abort(new Error('the pod left'));
      const running = await starting.catch(() => undefined);
      await running?.stop();
    },
  };
}

async function startUntilItWorks(options: StartPodOptions, spec: PodSpec, signal: AbortSignal): Promise<RunningPod> {
  for (;;) {
    try {
      return await startLoopback(options, spec, signal);
    } catch (error) {
      signal.throwIfAborted();
      options.log.warn('pod cannot start', { uid: spec.uid, error: errorText(error) });
      await sleep(RETRY_MS, { signal });
    }
  }
}

async function startLoopback(options: StartPodOptions, spec: PodSpec, signal: AbortSignal): Promise<RunningPod> {
  const address = await options.loopbackAddress(spec.workload, signal);
  const domain: SocketDomain = { kind: 'loopback', address };
  const { supervised, threads } = options;
  const copies = threads.size;
  const ports = [PORTS.hbone, PORTS.socks5] as const;
  const opened = await Promise.all(
    ports.map(async (port) => supervised?.open(address, port, copies) ?? ownLoopbackListeners(domain, port, copies)),
  );
  if (signal.aborted) {
    for (const fd of opened.flat()) closeFd(fd);
    throw signal.reason;
  }
  const perThread = Array.from({ length: copies }, (_, index): PodListeners => {
    const [hbone, socks5] = [opened[0]?.[index], opened[1]?.[index]];
    return {
      ...(hbone === undefined ? {} : { hbone }),
      ...(socks5 === undefined ? {} : { socks5 }),
      dnsTcp: [],
      dnsUdp: [],
    };
  });
  const sockets = { perThread, preserveSource: true };
  const running = await startOnThreads(threads, { uid: spec.uid, workload: spec.workload, domain, sockets });
  options.log.info('loopback pod is served', { address, wl: `${spec.workload.namespace}/${spec.workload.name}` });
  return {
    async stop() {
      await running.stop();
      if (options.draining.aborted) return;
      for (const port of ports) supervised?.release(address, port);
    },
  };
}

function ownLoopbackListeners(domain: SocketDomain, port: 15008 | 15080, copies: number): number[] {
  const plan: PodSocketPlan = {
    captured: false,
    hbone: port === PORTS.hbone,
    socks5: port === PORTS.socks5,
    dns: undefined,
    mark: undefined,
    reusePort: true,
    wildcard: undefined,
    originalSource: 'never',
  };
  return createPodSockets(domain, plan, copies).perThread.flatMap(({ hbone, socks5 }) => hbone ?? socks5 ?? []);
}

/** Dedicated mode: the listeners of the one workload, in the current namespace or on one loopback address. */
export async function startDedicated(options: StartPodOptions, workload: WorkloadInfo): Promise<RunningPod> {
  const { config, threads } = options;
  const { env } = config;
  const address = env.AMBIT_LOOPBACK_ADDRESS;
  const domain: SocketDomain = address === undefined ? { kind: 'host' } : { kind: 'loopback', address };
  const dnsAt = address ?? (config.dns?.address === 'localhost' ? '127.0.0.1' : config.dns?.address);
  const plan: PodSocketPlan = {
    captured: env.ENABLE_PROXY,
    hbone: env.ENABLE_PROXY,
    socks5: env.UNSTABLE_ENABLE_SOCKS5,
    dns: config.dns === undefined || dnsAt === undefined ? undefined : { addresses: [dnsAt], port: config.dns.port },
    mark: undefined,
    reusePort: true,
    wildcard: address ?? (env.IPV6_ENABLED ? undefined : '0.0.0.0'),
    originalSource: config.originalSource === 'always' ? 'always' : 'never',
  };
  const made = createPodSockets(domain, plan, threads.size);
  const sockets = { ...made, preserveSource: made.preserveSource || address !== undefined };
  return startOnThreads(threads, { uid: 'dedicated', workload, domain, sockets });
}

/** Shared mode: the proxy's own HBONE listener, so that its metrics port can be reached over mutual TLS (spec 3.6). */
export async function startSelfListener(options: StartPodOptions, workload: WorkloadInfo): Promise<RunningPod> {
  const { config, threads } = options;
  const podIp = config.env.AMBIT_LOOPBACK_POD_IP;
  const domain: SocketDomain = podIp === undefined ? { kind: 'host' } : { kind: 'loopback', address: podIp };
  const plan: PodSocketPlan = {
    captured: false,
    hbone: true,
    socks5: false,
    dns: undefined,
    mark: undefined,
    reusePort: true,
    wildcard: podIp ?? (config.env.IPV6_ENABLED ? undefined : '0.0.0.0'),
    originalSource: 'never',
  };
  const sockets = { ...createPodSockets(domain, plan, threads.size), preserveSource: false };
  return startOnThreads(threads, { uid: 'self', workload, domain, sockets });
}
