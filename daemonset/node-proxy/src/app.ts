/**
 * The configuration in; a running node proxy out. The only file that constructs: ordered start, reverse stop.
 *
 * Called by `main.ts` on the main thread. Order (spec/node-proxy.md 1.2): readiness, state, data threads, local state
 * and xDS, admin, then - after the first sync - the pods.
 */
import { chooseByteEngine, currentByteEngine, shownByteEngine } from '@ambit/hbone';
import { createCaClient } from '@ambit/identity/ca-client';
import { createCertificateManager } from '@ambit/identity/certificate-manager';
import type { CertificateSource } from '@ambit/identity/certificate-source';
import type { AdminServer } from '@ambit/runtime/admin';
import { background } from '@ambit/runtime/background';
import { systemClock } from '@ambit/runtime/clock';
import type { RunContext, RunningApp } from '@ambit/runtime/lifecycle';
import type { RootLogger } from '@ambit/runtime/log';
import { createReadiness, type Readiness, type ReadinessTask } from '@ambit/runtime/readiness';
import { createStateStore, missingPolicies, type Snapshot, type StateDiff, type Workload } from '@ambit/state';
import type { XdsClient } from '@ambit/xds';
import type { FlowBatch } from '@ambit/xds/flow-buffer';
import type { FlowReporter } from '@ambit/xds/telemetry';
import { metricsServer, readinessServer } from './admin/server.ts';
import { startAdmin } from './admin/start.ts';
import type { NodeProxyConfig } from './config.ts';
import { dataConfigOf, tlsRules } from './data-config.ts';
import { type CertificateHub, createCertificateHub } from './identity/certificate-hub.ts';
import { bearerToken, rootPem } from './identity/control-plane-credentials.ts';
import { createFakeCa } from './identity/fake-ca.ts';
import { followRevocationFile } from './identity/revocation-file.ts';
import { createPods, judgeOldConnections, runPods } from './inpod/run-pods.ts';
import { startDedicated, type StartPodOptions, startSelfListener } from './inpod/start-pod.ts';
import { supervisedListeners } from './inpod/supervised-listeners.ts';
import { measureEventLoop } from './telemetry/event-loop.ts';
import { createNodeProxyMetrics, type NodeProxyMetrics } from './telemetry/metrics.ts';
import { createPublisher } from './threads/publish.ts';
import { startThreadPool, type ThreadPool } from './threads/thread-pool.ts';
import { demandAll, startXds } from './updates/control-plane.ts';
import { startFlowReporter } from './updates/flow-reporter.ts';
import { parseLocalState } from './updates/local-file.ts';
import { createLocalWorkloads, type LocalWorkloads } from './updates/local-workloads.ts';
import { createStateCache, type StateCache } from './updates/state-cache.ts';
import { StateWaiters } from './updates/state-waiters.ts';
import { verifyHost } from './verify-host.ts';

/** From so many workloads on they are in memory that all threads read. */
const SHARE_FROM = 512;

/** Builds and starts everything. `context.drain` ends it gracefully; the result's `close` releases the rest. */
export async function startApp(config: NodeProxyConfig, log: RootLogger, context: RunContext): Promise<RunningApp> {
  verifyHost(config);
  const readiness = createReadiness();
  const synced = readiness.register('state manager');
  const proxy = readiness.register('proxy');
  const byteEngine = chooseByteEngine(config.env.AMBIT_BYTE_ENGINE);
  log.info('byte engine chosen', shownByteEngine(byteEngine));
  const metrics = createNodeProxyMetrics({
    tag: config.env.ISTIO_META_ISTIO_VERSION,
    byteEngine: byteEngine.engine.name,
  });
  const state = new StateWaiters();
  const store = createStateStore({ shareFrom: SHARE_FROM });
  const manager = createCertificateManager({
    ca: certificateSource(config, log),
    clock: systemClock,
    log: log.child('ca'),
  });
  let hub: CertificateHub | undefined;
  let xds: XdsClient | undefined;
  let flows: FlowReporter | undefined;
  const threads = startThreads(config, log, {
    metrics,
    readiness,
    need: (...args) => hub?.onNeed(...args),
    demand: async (names) => demandAll(xds, names),
    onFlows: (batch) => flows?.report(batch),
    context,
  });
  hub = createCertificateHub({ manager, threads, prefetchFor: prefetchNode(config), log });
  const publisher = createPublisher(store);
  publisher.attach(threads);
  const revocations = followRevocations(config, log, threads);
  const cache = openStateCache(config, log);
  const cached = cache?.read();
  const local = createLocalWorkloads(config.env.NODE_NAME);
  let before = store.snapshot();
  const publish = (diff: StateDiff): void => {
    publisher.publish(diff);
    hub?.onDiff(diff, before, store.snapshot());
    before = store.snapshot();
    local.onDiff(diff, store.snapshot());
    metrics.setMissingPolicies(countMissing(store.snapshot(), local));
    state.changed();
    const client = xds;
    if (client !== undefined) cache?.changed({ snapshot: () => store.snapshot(), held: (type) => client.held(type) });
  };

  const readinessAt = readinessServer(() => readiness.pending(), log.child('readiness'));
  await readinessAt.listen({ host: publicHost(config), port: 15021 });
  if (cached !== undefined) publish(store.apply(cached).diff);
  if (config.localState !== undefined) publish(store.apply(parseLocalState(config.localState)).diff);
  xds = startXds(config, log, { store, publish, metrics, held: cached?.versions });
  flows = startFlowReporter(config, log, (limit) =>
    threads.broadcast({ kind: 'flow-limit', maxPerSecond: Math.ceil(limit / threads.size) }),
  );

  const starter: StartPodOptions = {
    config,
    threads,
    supervised: supervisedListeners(process),
    loopbackAddress: async (workload, signal) =>
      state.whenFound(signal, () => loopbackIp(local.find(store.snapshot(), workload))),
    draining: context.drain.signal,
    log: log.child('inpod'),
  };
  // A control plane may not push the pods of this node by itself.
  const ownDemand = (name: string): void => {
    if (config.env.XDS_ON_DEMAND) background(log, 'demand of a pod', demandAll(xds, [name]));
  };
  const pods = config.mode === 'shared' ? createPods(starter, metrics, ownDemand) : undefined;
  const admin = await startAdmin(config, log, { store, manager, threads, pods, stop: () => context.stop() });
  const measuring = measureOwnLoop(metrics);
  const stats = metricsServer(metrics.registry, log.child('metrics'));
  await stats.listen({ host: publicHost(config), port: config.statsPort });
  const ended = holdUntilDrained(context, config, threads, [readinessAt, ...admin, stats], log);

  const begin = async (): Promise<void> => {
    await threads.ready;
    // What the control plane said before the restart is as good as what it said before it went away.
    if (cached === undefined) await xds?.synced;
    synced.ready();
    log.info(cached === undefined ? 'state is in sync' : 'serving the cached state until the control plane answers', {
      workloads: store.snapshot().workloads.size,
      services: store.snapshot().services.size,
    });
    if (context.drain.signal.aborted) return;
    if (config.dedicatedWorkload !== undefined) await startDedicated(starter, config.dedicatedWorkload);
    proxy.ready();
    if (pods === undefined) return;
    if (config.ownWorkload !== undefined)
      background(log, 'self listener', startSelfListener(starter, config.ownWorkload));
    runPods(config, pods, readiness, log, { draining: context.drain.signal, ended });
    if (config.env.AMBIT_ZDS_TRANSPORT === 'seqpacket') judgeOldConnections(config, { store, local }, log, context);
  };
  begin().catch((error: unknown) => context.stop(error));
  return {
    async close() {
      measuring[Symbol.dispose]();
      revocations?.[Symbol.dispose]();
      cache?.[Symbol.dispose]();
      flows?.destroy();
      xds?.destroy();
      hub?.close();
      metrics.registry.close();
      await threads.destroy();
    },
  };
}

/** The main thread's own event loop, once a second as the data threads report theirs. */
function measureOwnLoop(metrics: NodeProxyMetrics): Disposable {
  const loop = measureEventLoop();
  const timer = setInterval(() => metrics.onLoop('control', loop.take()), 1000).unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      loop[Symbol.dispose]();
    },
  };
}

/** The cache of `AMBIT_STATE_CACHE`; on demand nothing is kept, since nothing would be asked for again. */
function openStateCache(config: NodeProxyConfig, log: RootLogger): StateCache | undefined {
  const { AMBIT_STATE_CACHE: path, NETWORK, NODE_NAME = '', XDS_ON_DEMAND } = config.env;
  if (path === undefined || config.xds === undefined || XDS_ON_DEMAND) return undefined;
  const scope = [config.clusterId, NETWORK, NODE_NAME];
  return createStateCache({ path, scope, clock: systemClock, log: log.child('cache') });
}

/** Hands the lists of `CRL_PATH` to the data threads, now and whenever they change. */
function followRevocations(config: NodeProxyConfig, log: RootLogger, threads: ThreadPool): Disposable | undefined {
  const path = config.env.CRL_PATH;
  if (path === undefined) return undefined;
  return followRevocationFile({
    path,
    onContent: (content) => threads.broadcast({ kind: 'revocations', content }),
    clock: systemClock,
    log: log.child('crl'),
  });
}

function certificateSource(config: NodeProxyConfig, log: RootLogger): CertificateSource {
  const { env, ca } = config;
  if (env.FAKE_CA || ca === undefined) {
    return createFakeCa({ trustDomain: env.TRUST_DOMAIN, ttlMs: env.SECRET_TTL, dir: env.AMBIT_FAKE_CA_DIR });
  }
  return createCaClient({
    address: `${ca.plaintext ? 'http' : 'https'}://${ca.host}:${ca.port}`,
    rootPem: () => rootPem(ca.rootCa),
    ...(ca.altHostname === undefined ? {} : { serverName: ca.altHostname }),
    token: () => bearerToken(env.AUTH_TOKEN) ?? '',
    clusterId: config.clusterId,
    headers: ca.headers,
    ttlMs: env.SECRET_TTL,
    impersonate: config.mode === 'shared',
    tls: tlsRules(config),
    log: log.child('ca'),
  });
}

function startThreads(
  config: NodeProxyConfig,
  log: RootLogger,
  parts: {
    readonly metrics: NodeProxyMetrics;
    readonly readiness: Readiness;
    readonly need: (identity: string, thread: number) => void;
    readonly demand: (names: readonly string[]) => Promise<void>;
    readonly onFlows: (batch: FlowBatch) => void;
    readonly context: RunContext;
  },
): ThreadPool {
  const silent = new Map<number, ReadinessTask>();
  return startThreadPool({
    threads: config.threads,
    configOf: (thread) => dataConfigOf(config, thread, currentByteEngine().name),
    clock: systemClock,
    log: log.child('threads'),
    events: {
      onNeedCertificate: parts.need,
      onDemand: parts.demand,
      onFlows: parts.onFlows,
      onMetrics: (thread, report) => parts.metrics.onReport(thread, report),
      onHeartbeat(thread, alive) {
        log.warn(alive ? 'data thread answers again' : 'data thread does not answer', { thread });
        if (alive) silent.get(thread)?.ready();
        else silent.set(thread, parts.readiness.register(`data thread ${thread}`));
      },
      onDied: (error) => parts.context.stop(error),
    },
  });
}

/** Holds the drain until every thread is done; the servers stop accepting at once. The result aborts at that end. */
function holdUntilDrained(
  context: RunContext,
  config: NodeProxyConfig,
  threads: ThreadPool,
  servers: readonly AdminServer[],
  log: RootLogger,
): AbortSignal {
  const hold = context.drain.hold();
  const ended = new AbortController();
  const drain = async (): Promise<void> => {
    for (const server of servers) background(log, 'close admin server', server.close());
    const { outcome, cut } = await threads.drain(config.drainDeadlineMs);
    if (cut > 0)
      log.warn('connections were cut at the drain deadline', { count: cut, deadlineMs: config.drainDeadlineMs });
    log.info('data threads drained', { outcome });
    ended.abort();
    hold[Symbol.dispose]();
  };
  context.drain.signal.addEventListener('abort', () => background(log, 'drain', drain()), { once: true });
  return ended.signal;
}

function prefetchNode(config: NodeProxyConfig): string | undefined {
  return config.mode === 'shared' ? config.env.NODE_NAME : undefined;
}

function publicHost(config: NodeProxyConfig): string {
  return config.env.AMBIT_LOOPBACK_ADDRESS ?? (config.env.IPV6_ENABLED ? '::' : '0.0.0.0');
}

function loopbackIp(workload: Workload | undefined): string | undefined {
  return workload?.ips.find((ip) => ip.startsWith('127.'));
}

/** Policies that workloads of this node list and that are not known. */
function countMissing(snapshot: Snapshot, local: LocalWorkloads): number {
  const missing = new Set<string>();
  for (const workload of local.all(snapshot)) {
    if (workload.authorizationPolicies.length === 0) continue;
    for (const name of missingPolicies(snapshot, workload)) missing.add(name);
  }
  return missing.size;
}
