// The only file that constructs: ordered start, reverse stop. Called by main.ts. Main thread; the agent has no others but the ZDS poller.
// Start order is a safety property (spec node-agent 7.3): proxies are accepted only after every enrolled pod is known, because a
// snapshot that leaves a pod out stops its traffic.
import { createAdminServer } from '@ambit/runtime/admin';
import type { Logger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { openNetns, type NetnsHandle } from '@ambit/net';
import { loopbackCapture } from './capture/loopback-capture.ts';
import { createNetnsCapture } from './capture/netns-capture.ts';
import type { PodSource } from './cluster/pod-source.ts';
import type { NodeAgentConfig } from './config.ts';
import { podConnections } from './enrol/connection-table.ts';
import { NetnsCache } from './enrol/netns-cache.ts';
import { Reconciler } from './enrol/reconciler.ts';
import { Enrolment, type CaptureBackend } from './enrol/sequence.ts';
import { redirectionAnnotation, unprotectedPatch } from './enrol/status.ts';
import { UnprotectedConnections } from './enrol/unprotected.ts';
import { HostRules } from './rules/host.ts';
import { addressesOf, hasEnded } from './select/pod-events.ts';
import { parseSelectors } from './select/selection-config.ts';
import { createNodeAgentMetrics } from './telemetry/metrics.ts';
import { listenForProxies } from './zds/listen.ts';
import { ZdsServer } from './zds/server.ts';

/** A running agent. */
export interface RunningAgent {
  /** Stops; what a successor needs stays, unless the agent was uninstalled. */
  readonly close: () => Promise<void>;
}

/** User whose probes are exempt where no kubelet process tells (decisions W8). */
const fallbackProbeUid = 0;

interface Capture {
  readonly backend: CaptureBackend;
  readonly hostNetns: NetnsHandle | undefined;
}

async function startCapture(config: NodeAgentConfig, log: Logger): Promise<Capture> {
  if (config.AMBIT_ZDS_TRANSPORT === 'stream') return { backend: loopbackCapture, hostNetns: undefined };
  const hostNetns = config.ALLOW_SWITCH_TO_HOST_NS ? openNetns(`${config.AMBIT_HOST_PROC}/1/ns/net`) : undefined;
  log.warn('probes of user 0 are exempt from capture', { reason: 'no kubelet process was looked for' });
  const host = new HostRules(
    {
      netns: hostNetns?.fd,
      probeIp: config.HOST_PROBE_SNAT_IP,
      probeIpv6: config.HOST_PROBE_SNAT_IPV6,
      probeUid: fallbackProbeUid,
    },
    log.child('host'),
  );
  await host.install();
  return { backend: createNetnsCapture(config, host, log.child('rules')), hostNetns };
}

/** Enrols again what an earlier agent had enrolled, before any proxy is accepted. One pod's failure does not stop the others. */
async function adoptEnrolled(
  source: PodSource,
  cache: NetnsCache,
  capture: CaptureBackend,
  log: Logger,
): Promise<void> {
  const enrolled = source
    .pods()
    .filter((pod) => pod.metadata?.annotations?.[redirectionAnnotation] === 'enabled' && !hasEnded(pod));
  for (const pod of enrolled) {
    const uid = pod.metadata?.uid ?? '';
    const ips = addressesOf(pod);
    try {
      const spec = pod['spec'] as { serviceAccountName?: string } | undefined;
      const workload = {
        name: pod.metadata?.name ?? '',
        namespace: pod.metadata?.namespace ?? '',
        serviceAccount: spec?.serviceAccountName ?? 'default',
      };
      const held = cache.put({ uid, workload, ips, netns: capture.open(uid, ips) });
      await capture.installRules(held, pod);
      await capture.host?.add(uid, ips);
    } catch (error) {
      log.warn('an enrolled pod could not be taken over', {
        pod: pod.metadata?.name,
        namespace: pod.metadata?.namespace,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
  log.info('enrolled pods taken over', { pods: enrolled.length });
}

/** Counts the unprotected connections again and publishes what changed. */
function watchUnprotected(
  config: NodeAgentConfig,
  parts: {
    readonly cache: NetnsCache;
    readonly unprotected: UnprotectedConnections;
    readonly source: PodSource;
    readonly log: Logger;
    readonly onTotal: (total: number) => void;
  },
): Disposable {
  const published = new Map<string, number>();
  let isBusy = false;
  const once = async (): Promise<void> => {
    const pods = new Map(parts.source.pods().map((pod) => [pod.metadata?.uid ?? '', pod]));
    for (const held of parts.cache.list()) {
      const count = parts.unprotected.refresh(held.uid, podConnections(held));
      const pod = pods.get(held.uid);
      if (pod === undefined || (published.get(held.uid) ?? 0) === count) continue;
      await parts.source.patchPodStatus(pod, unprotectedPatch(count));
      published.set(held.uid, count);
    }
    parts.onTotal(parts.unprotected.total());
  };
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    once()
      .catch((error: unknown) =>
        parts.log.warn('unprotected connections could not be counted', {
          error: error instanceof Error ? error.message : String(error),
        }),
      )
      .finally(() => (isBusy = false));
  }, config.AMBIT_UNPROTECTED_INTERVAL_SECONDS * 1000);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Starts everything; rejects, with everything undone, when a step fails. */
export async function startNodeAgent(config: NodeAgentConfig, source: PodSource, log: Logger): Promise<RunningAgent> {
  await using stack = new AsyncDisposableStack();
  const registry = createMetricsRegistry();
  stack.defer(() => registry.close());
  const metrics = createNodeAgentMetrics(registry);
  const rules = {
    selectors: parseSelectors(config.AMBIENT_ENABLEMENT_SELECTOR),
    excludedNamespaces: config.EXCLUDE_NAMESPACES,
  };
  let isReady = false;
  const health = createAdminServer({
    routes: {
      '/healthz': () => ({ status: 200, body: 'ok' }),
      '/readyz': () => ({ status: isReady ? 200 : 503, body: isReady ? 'ok' : 'not ready' }),
    },
    log,
  });
  await health.listen({ host: '0.0.0.0', port: config.AMBIT_HEALTH_PORT });
  stack.defer(async () => health.close());
  if (config.MONITORING_PORT > 0) {
    const exposition = createAdminServer({
      routes: {
        '/metrics': async () => ({ status: 200, contentType: registry.contentType, body: await registry.text() }),
      },
      log,
    });
    await exposition.listen({ host: '0.0.0.0', port: config.MONITORING_PORT });
    stack.defer(async () => exposition.close());
  }

  const { backend, hostNetns } = await startCapture(config, log);
  stack.defer(() => hostNetns?.close());
  const cache = new NetnsCache();
  stack.defer(() => cache.close());
  const zds = new ZdsServer({
    snapshot: () => cache.list(),
    onProxies: (count) => metrics.proxies.set({}, count),
    log: log.child('zds'),
  });
  const unprotected = new UnprotectedConnections();
  const enrolment = new Enrolment({ cache, zds, source, capture: backend, unprotected, log: log.child('enrol') });
  const reconciler = new Reconciler({
    source,
    enrolment,
    rules,
    log: log.child('reconcile'),
    onEvent: (type) => metrics.events.add({ type }),
  });
  stack.defer(() => reconciler.close());

  let isAdopting = true;
  await source.start({
    onPod: (pod) => void (isAdopting || reconciler.onPod(pod)),
    onPodGone: (pod) => void (isAdopting || reconciler.onPodGone(pod)),
    onNamespace: (namespace) => void (isAdopting || reconciler.onNamespace(namespace)),
  });
  stack.defer(() => source.close());
  await adoptEnrolled(source, cache, backend, log.child('adopt'));
  isAdopting = false;
  const listener = await listenForProxies(config, zds, log.child('zds'));
  stack.defer(async () => {
    zds.close();
    await listener.close();
  });
  for (const pod of source.pods()) reconciler.onPod(pod);
  const counting = watchUnprotected(config, {
    cache,
    unprotected,
    source,
    log,
    onTotal: (total) => {
      metrics.unprotected.set({}, total);
      metrics.enrolled.set({}, cache.list().length);
    },
  });
  stack.defer(() => counting[Symbol.dispose]());
  isReady = true;
  log.info('node agent is ready', {
    node: config.NODE_NAME,
    transport: config.AMBIT_ZDS_TRANSPORT,
    pods: cache.list().length,
  });

  const running = stack.move();
  return {
    close: async () => {
      isReady = false;
      const fate = config.AMBIENT_DISABLE_SAFE_UPGRADE ? 'remove' : await source.fateOfOwnDaemonSet();
      if (fate === 'remove') await backend.host?.uninstall();
      log.info('node agent stops', { hostRules: fate === 'remove' ? 'removed' : 'kept for the next agent' });
      await running.disposeAsync();
    },
  };
}
