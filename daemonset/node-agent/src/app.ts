// The only file that constructs: ordered start, reverse stop. Called by main.ts. Main thread; the agent has no others but the ZDS poller.
// Start order is a safety property (spec node-agent 7.3): proxies are accepted only after every enrolled pod is known, because a
// snapshot that leaves a pod out stops its traffic.
import type { Logger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { openNetns } from '@ambit/net';
import { dirname, join } from 'node:path';
import { loopbackCapture } from './capture/loopback-capture.ts';
import { startNetnsCapture } from './capture/netns-capture.ts';
import type { PodSource } from './cluster/pod-source.ts';
import type { NodeAgentConfig } from './config.ts';
import { adoptEnrolled } from './enrol/adopt.ts';
import type { CaptureBackend } from './enrol/capture-backend.ts';
import { DriftCheck, watchDrift } from './enrol/drift.ts';
import { NetnsCache } from './enrol/netns-cache.ts';
import { countUnprotected, type PodState, podStates } from './enrol/pod-states.ts';
import { Reconciler } from './enrol/reconciler.ts';
import { releasePods } from './enrol/release.ts';
import { Enrolment } from './enrol/sequence.ts';
import { hasPluginExecutable, type Installer } from './install/installer.ts';
import { keepListening } from './keep-socket.ts';
import { installPlugin } from './install/install-plugin.ts';
import { cmdAddRoute, decideAndAddRoute, pluginSocketName } from './plugin/cmdadd-route.ts';
import { pluginLogRoute, pluginLogSocketName } from './plugin/log-route.ts';
import { repairPods } from './repair/watch-repair.ts';
import { serveStatus } from './serve-status.ts';
import { parseSelectors } from './select/selection-config.ts';
import { createNodeAgentMetrics } from './telemetry/metrics.ts';
import { keepServing } from './unix-server.ts';
import { UnprotectedConnections } from './unprotected/connections.ts';
import { watchUnprotected } from './unprotected/publish.ts';
import { UnprotectedRecord, unprotectedRecordFolder } from './unprotected/record.ts';
import { unprotectedRoutes, unprotectedSocketName } from './unprotected/routes.ts';
import { listenForProxies } from './zds/listen.ts';
import { ZdsServer } from './zds/server.ts';

/** A running agent. */
export interface RunningAgent {
  /** Stops; what a successor needs stays, unless the agent was uninstalled. */
  readonly close: () => Promise<void>;
}

/** Capture as configured, and the descriptor that it works in. */
async function startCapture(
  config: NodeAgentConfig,
  stack: AsyncDisposableStack,
  log: Logger,
): Promise<CaptureBackend> {
  if (config.AMBIT_ZDS_TRANSPORT === 'stream') return loopbackCapture;
  const hostNetns = config.ALLOW_SWITCH_TO_HOST_NS ? openNetns(`${config.AMBIT_HOST_PROC}/1/ns/net`) : undefined;
  stack.defer(() => hostNetns?.close());
  return startNetnsCapture(config, hostNetns, log.child('rules'));
}

/** Starts everything; rejects, with everything undone, when a step fails. */
export async function startNodeAgent(config: NodeAgentConfig, source: PodSource, log: Logger): Promise<RunningAgent> {
  await using stack = new AsyncDisposableStack();
  const registry = createMetricsRegistry({ processMetrics: true });
  stack.defer(() => registry.close());
  const metrics = createNodeAgentMetrics(registry);
  const rules = {
    // Switched off, nothing is selected, and what was enrolled leaves the mesh.
    selectors: config.AMBIENT_ENABLED ? parseSelectors(config.AMBIENT_ENABLEMENT_SELECTOR) : [],
    excludedNamespaces: config.EXCLUDE_NAMESPACES,
    systemNamespace: config.SYSTEM_NAMESPACE,
  };
  // Said from the start on: of a node to which no proxy ever came nobody would be told otherwise (gap G19).
  metrics.proxies.set({}, 0);
  for (const condition of ['proxy', 'adopted']) metrics.conditions.set({ condition }, 0);
  let isReady = false;
  let isAdopting = true;
  // Absent until it is known: what an earlier agent captured is not looked at yet, and 0 would be as wrong as all.
  metrics.unprotectedPods.remove({});
  let isInstalled = true;
  const cache = new NetnsCache();
  const states = (): readonly PodState[] =>
    podStates({ pods: source.pods, namespace: source.namespace, held: (uid) => cache.get(uid), rules });
  const zds = new ZdsServer({
    pods: cache,
    onProxies: (count) => {
      metrics.proxies.set({}, count);
      metrics.conditions.set({ condition: 'proxy' }, count > 0 ? 1 : 0);
    },
    // Pods that wait for a proxy wait no longer.
    onServed: () => reconciler.retryNow(),
    log: log.child('zds'),
  });
  await serveStatus(
    {
      registry,
      notReady: () => {
        if (!isReady) return 'the pods of this node are not known yet';
        if (!isInstalled) return 'the CNI plugin is not in the chain of the node';
        if (config.AMBIT_READY_NEEDS_PROXY && zds.proxies === 0) return 'no node proxy is connected';
        return undefined;
      },
      beforeMetrics: () => {
        metrics.enrolled.set({}, cache.list().length);
        if (!isAdopting) metrics.unprotectedPods.set({}, countUnprotected(states()));
      },
      state: () => ({
        node: config.NODE_NAME,
        unprotected: isAdopting ? null : countUnprotected(states()),
        proxies: zds.states(),
        pods: states(),
      }),
      log,
    },
    { health: config.AMBIT_HEALTH_PORT, metrics: config.MONITORING_PORT, debug: config.AMBIT_DEBUG_PORT },
    stack,
  );
  const capture = await startCapture(config, stack, log);
  stack.defer(() => cache.close());
  const record = capture.hasNamespaces
    ? new UnprotectedRecord(join(config.CNI_AGENT_RUN_DIR, unprotectedRecordFolder), log.child('unprotected'))
    : undefined;
  const unprotected = new UnprotectedConnections(record);
  const enrolment = new Enrolment({ cache, zds, source, capture, unprotected, log: log.child('enrol') });
  const reconciler = new Reconciler({
    source,
    enrolment,
    rules,
    log: log.child('reconcile'),
    onEvent: (type) => metrics.events.add({ type }),
  });
  stack.defer(() => reconciler.close());

  await source.start({
    onPod: (pod) => void (isAdopting || reconciler.onPod(pod)),
    onPodGone: (pod) => void (isAdopting || reconciler.onPodGone(pod)),
    onNamespace: (namespace) => void (isAdopting || reconciler.onNamespace(namespace)),
  });
  stack.defer(() => source.close());
  record?.keepOnly(new Set(source.pods().map((pod) => pod.metadata?.uid ?? '')));
  await adoptEnrolled({ source, cache, capture, unprotected, rules, log: log.child('adopt') });
  isAdopting = false;
  const stopListening = await keepListening(
    config.ZTUNNEL_UDS_ADDRESS,
    async () => listenForProxies(config, zds, log.child('zds')),
    log.child('zds'),
  );
  stack.defer(async () => {
    zds.close();
    await stopListening();
  });
  if (capture.hasNamespaces && config.AMBIT_UNPROTECTED_CONNECTIONS === 'reset') {
    stack.defer(
      await keepServing({
        path: join(dirname(config.ZTUNNEL_UDS_ADDRESS), unprotectedSocketName),
        mode: 0o600,
        routes: unprotectedRoutes({
          cache,
          unprotected,
          log: log.child('unprotected'),
          onReset: () => metrics.resets.add({}),
        }),
        log: log.child('unprotected'),
      }),
    );
  }
  for (const pod of source.pods()) reconciler.onPod(pod);
  let toldUnprotected = 0;
  const tellUnprotected = (now: number): void => {
    if (now === toldUnprotected) return;
    toldUnprotected = now;
    log[now > 0 ? 'warn' : 'info']('pods that belong in the mesh and are not captured', { unprotectedPods: now });
  };
  const counting = watchUnprotected(
    {
      cache,
      unprotected,
      enrolment,
      source,
      capture,
      log: log.child('unprotected'),
      onTotal: (total) => {
        metrics.unprotected.set({}, total);
        tellUnprotected(countUnprotected(states()));
      },
    },
    config.AMBIT_UNPROTECTED_INTERVAL_SECONDS * 1000,
  );
  stack.defer(() => counting[Symbol.dispose]());
  if (config.AMBIT_DRIFT_INTERVAL_SECONDS > 0 && capture.hasNamespaces) {
    const check = new DriftCheck({
      cache,
      capture,
      enrolment,
      unprotected,
      source,
      log: log.child('drift'),
      onRound: ({ pods, host }) => {
        metrics.conditions.set({ condition: 'rules' }, 1);
        if (pods > 0) metrics.repairs.add({ place: 'pod' }, pods);
        if (host) metrics.repairs.add({ place: 'node' });
      },
    });
    const checking = watchDrift(check, config.AMBIT_DRIFT_INTERVAL_SECONDS * 1000, log.child('drift'));
    stack.defer(() => checking[Symbol.dispose]());
  }
  metrics.conditions.set({ condition: 'adopted' }, 1);
  const adding = {
    source,
    enrolment,
    rules,
    log: log.child('cni-plugin'),
    onAnswer: (status: number) => metrics.plugin.add({ response_code: String(status) }),
  };
  if (capture.hasNamespaces) {
    stack.defer(
      await keepServing({
        path: join(config.CNI_AGENT_RUN_DIR, pluginSocketName),
        mode: 0o666,
        routes: { '/cmdadd': cmdAddRoute(adding), '/ambit/add': decideAndAddRoute(adding) },
        log: log.child('cni-plugin'),
      }),
    );
  }
  if (capture.hasNamespaces) {
    const pluginLog = log.child('cni-plugin');
    stack.defer(
      await keepServing({
        path: join(config.CNI_AGENT_RUN_DIR, pluginLogSocketName),
        mode: 0o666,
        routes: { '/log': pluginLogRoute(pluginLog) },
        log: pluginLog,
      }),
    );
  }
  let installer: Installer | undefined;
  if (capture.hasNamespaces && hasPluginExecutable(config.AMBIT_CNI_BIN_SOURCE)) {
    installer = installPlugin(config, rules, log.child('install'), {
      onReady: (ready) => {
        isInstalled = ready;
        metrics.installReady.set({}, ready ? 1 : 0);
      },
      onInstall: (result) => metrics.installs.add({ result }),
    });
    stack.defer(() => installer?.close(false));
  } else {
    log.warn(
      'the CNI plugin is not installed: new pods are enrolled when they have an address, shortly after their start',
      {
        reason: capture.hasNamespaces ? `no executable in ${config.AMBIT_CNI_BIN_SOURCE}` : 'loopback capture',
      },
    );
  }
  stack.use(
    repairPods(config, source, log.child('repair'), (type, result) => metrics.podsRepaired.add({ type, result })),
  );
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
      const fate = await source.fateOfOwnDaemonSet();
      const isUninstall = fate !== 'keep' || config.AMBIENT_DISABLE_SAFE_UPGRADE;
      installer?.close(isUninstall);
      if (fate === 'removed' && config.AMBIT_UNINSTALL_PODS === 'release')
        await releasePods({ source, cache, enrolment, reconciler, log: log.child('uninstall') });
      if (isUninstall) await capture.host?.uninstall();
      log.info('node agent stops', { hostRules: isUninstall ? 'removed' : 'kept for the next agent' });
      await running.disposeAsync();
    },
  };
}
