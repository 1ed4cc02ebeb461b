/**
 * Builds a waypoint from its configuration: the only file that constructs. Main thread.
 * Start: admin and status pages, certificate, data threads, xDS. Stop in reverse order, after the drain.
 */
import { chooseByteEngine, shownByteEngine } from '@ambit/hbone';
import { createCaClient, createCertificateManager, type WorkloadCertificate } from '@ambit/identity';
import { ADDRESS_TYPE_URL, SECRET_TYPE_URL } from '@ambit/proto/type-urls';
import { type AdminRoute, createAdminServer } from '@ambit/runtime/admin';
import { background } from '@ambit/runtime/background';
import { sleep, systemClock } from '@ambit/runtime/clock';
import type { RunContext, RunningApp } from '@ambit/runtime/lifecycle';
import type { RootLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { createReadiness } from '@ambit/runtime/readiness';
import { createStateStore } from '@ambit/state';
import { createXdsClient, type CredentialsSource, fileCredentials, type XdsClient } from '@ambit/xds';
import { createFlowReporter, type FlowReporter } from '@ambit/xds/telemetry';
import { readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { adminRoutes, type AdminParts, statsRoutes, statusRoutes } from './admin/routes.ts';
import type { WaypointConfig } from './config.ts';
import { startDataThreads } from './threads/publish.ts';
import { createSharedMemory } from './threads/shared-memory.ts';
import { createJwksFetcher } from './jwt/fetcher.ts';
import { createUpdates } from './updates/handlers.ts';
import { mayChangeReferences, referencesOf } from './updates/references.ts';

/** Starts a waypoint. Resolves when it runs (not when it is ready); rejects when a port is taken. */
export const startWaypoint = async (
  config: WaypointConfig,
  log: RootLogger,
  context: RunContext,
): Promise<RunningApp> => {
  const { env } = config;
  const readiness = createReadiness();
  const waiting = {
    certificate: readiness.register('certificate'),
    config: readiness.register('configuration'),
    listener: readiness.register('listener'),
  };
  const registry = createMetricsRegistry({ processMetrics: true });
  registry
    .gauge({ name: 'istio_build', help: 'Version of this proxy.', labels: ['component', 'tag'] })
    .set({ component: 'proxy', tag: '1.32.0' }, 1);
  const byteEngine = chooseByteEngine(env.AMBIT_BYTE_ENGINE);
  log.info('byte engine chosen', shownByteEngine(byteEngine));
  registry
    .gauge({ name: 'ambit_byte_engine', help: '1 for the engine that moves the bytes of tunnels.', labels: ['engine'] })
    .set({ engine: byteEngine.engine.name }, 1);
  const connected = registry.gauge({
    name: 'envoy_control_plane_connected_state',
    help: '1 while the control plane is reachable.',
  });
  const store = createStateStore();
  let xds: XdsClient | undefined;
  let flows: FlowReporter | undefined;

  const threads = startDataThreads(
    config.dataThreads,
    {
      domain: config.domain,
      hbonePort: env.AMBIT_HBONE_PORT,
      upstreamHbonePort: env.AMBIT_UPSTREAM_HBONE_PORT,
      ownIp: config.ownIp,
      logLevel: config.logLevel,
      logFormat: env.AMBIT_LOG_FORMAT,
      accessLog: env.AMBIT_ACCESS_LOG,
      idleMs: config.idleMs,
      sessionKey: randomBytes(32),
      reusePort: config.dataThreads > 1,
      shared: createSharedMemory(),
      byteEngine: byteEngine.engine.name,
    },
    {
      onLookup: (key) => {
        const answered = (): void => threads.broadcast({ kind: 'looked-up', key });
        if (xds === undefined) answered();
        else background(log, 'address lookup', xds.demand(ADDRESS_TYPE_URL, key).finally(answered));
      },
      onJwksWanted: (uri) => jwks.want(uri),
      onFlows: (batch) => flows?.report(batch),
      onFailed: (error) => context.stop(error),
    },
    log,
  );
  background(
    log,
    'listen',
    threads.listening.then(() => waiting.listener.ready()),
  );

  const jwks = createJwksFetcher({
    publish: (uri, json) => threads.broadcast({ kind: 'jwks', uri, json }),
    log: log.child('jwks'),
  });
  /** Secrets are asked for by name, key sets by address, as long as somebody refers to them. */
  let demanded: ReadonlySet<string> = new Set();
  const followReferences = (): void => {
    const { secrets, keySetUris } = referencesOf(updates.config());
    jwks.retain(keySetUris);
    for (const name of secrets.difference(demanded)) {
      if (xds !== undefined) background(log, 'secret', xds.demand(SECRET_TYPE_URL, name));
    }
    for (const name of demanded.difference(secrets)) xds?.release(SECRET_TYPE_URL, name);
    demanded = secrets;
  };
  const updates = createUpdates(
    store,
    {
      onConfig: (diff) => {
        threads.broadcast({ kind: 'config', diff });
        if (mayChangeReferences(diff)) followReferences();
      },
      onState: (diff) => threads.broadcast({ kind: 'state', diff }),
    },
    log.child('xds'),
  );

  const ca = createCaClient({
    address: env.CA_ADDR,
    rootPem: () => readFileSync(env.CA_ROOT_CA, 'utf8'),
    token: () => readFile(env.AMBIT_TOKEN_PATH, 'utf8'),
    clusterId: env.ISTIO_META_CLUSTER_ID,
    ...(env.ALT_CA_HOSTNAME === undefined ? {} : { serverName: env.ALT_CA_HOSTNAME }),
    impersonate: false,
    log: log.child('ca'),
  });
  const certificates = createCertificateManager({ ca, clock: systemClock, log: log.child('identity') });
  let certificate: WorkloadCertificate | undefined;
  certificates.watch((issued) => {
    certificate = issued;
    threads.broadcast({ kind: 'certificate', certificate: issued });
    waiting.certificate.ready();
  });
  certificates.prefetch(config.identity);

  const credentials: CredentialsSource = env.AMBIT_XDS_PLAINTEXT
    ? () => Promise.resolve({ roots: 'plaintext', headers: {} })
    : fileCredentials({
        rootsPath: env.XDS_ROOT_CA,
        tokenPath: env.AMBIT_TOKEN_PATH,
        clusterId: env.ISTIO_META_CLUSTER_ID,
        ...(env.ALT_XDS_HOSTNAME === undefined ? {} : { serverName: env.ALT_XDS_HOSTNAME }),
      });
  if (env.AMBIT_TELEMETRY_ADDRESS !== undefined) {
    flows = createFlowReporter({
      address: env.AMBIT_TELEMETRY_ADDRESS,
      credentials,
      name: `${env.POD_NAME}.${env.POD_NAMESPACE}`,
      onLimit: (limit) =>
        threads.broadcast({ kind: 'flow-limit', maxPerSecond: Math.ceil(limit / config.dataThreads) }),
      log: log.child('telemetry'),
    });
  }
  xds = createXdsClient({
    address: config.discoveryAddress,
    credentials,
    node: { id: config.nodeId, metadata: config.metadata as never },
    subscriptions: [
      { handler: updates.secrets, mode: 'on-demand' },
      ...updates.handlers.map((handler) => ({ handler, mode: 'wildcard' as const })),
    ],
    log: log.child('xds'),
    onConnected: (isConnected) => connected.set({}, isConnected ? 1 : 0),
  });
  xds.synced.then(
    () => {
      log.info('configuration is complete', {
        frontends: updates.config().frontend.size,
        workloads: store.snapshot().workloads.size,
      });
      waiting.config.ready();
    },
    () => undefined,
  );

  const parts: AdminParts = {
    config,
    log,
    threads,
    resources: () => updates.config(),
    state: () => store.snapshot(),
    ownMetrics: () => registry.text(),
    pending: () => (context.drain.signal.aborted ? undefined : readiness.pending()),
    certificate: () =>
      certificate && { identity: certificate.identity, notAfter: certificate.notAfter, serial: certificate.serial },
    isConnected: () => xds?.connected ?? false,
    stop: () => context.stop(),
  };
  const pages = await Promise.all([
    startPages(adminRoutes(parts), config.env.AMBIT_LOOPBACK_POD_IP ?? '127.0.0.1', env.AMBIT_ADMIN_PORT, log),
    startPages(statusRoutes(parts), config.publicHost, env.AMBIT_STATUS_PORT, log),
    startPages(statsRoutes(parts), config.publicHost, env.AMBIT_STATS_PORT, log),
    startPages(statsRoutes(parts), config.publicHost, env.AMBIT_PROXY_STATS_PORT, log),
  ]);
  drainOnSignal(config, context, threads, log);
  return {
    close: async () => {
      flows?.destroy();
      xds?.destroy();
      jwks.close();
      certificates.close();
      ca.close();
      registry.close();
      for (const page of pages) page.destroy();
      await threads.destroy();
    },
  };
};

const startPages = async (routes: Record<string, AdminRoute>, host: string, port: number, log: RootLogger) => {
  const server = createAdminServer({ routes, log: log.child('admin') });
  try {
    await server.listen({ host, port });
  } catch (error) {
    if (host !== '::' || (error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error;
    await server.listen({ host: '0.0.0.0', port }); // no IPv6 here
  }
  return server;
};

/** Serves on for the announced time, then GOAWAY, then waits for the last tunnel (spec/waypoint.md 5.11). */
const drainOnSignal = (
  config: WaypointConfig,
  context: RunContext,
  threads: ReturnType<typeof startDataThreads>,
  log: RootLogger,
): void => {
  const hold = context.drain.hold();
  const drain = async (): Promise<void> => {
    await sleep(config.terminationDrainMs);
    await threads.drain();
    hold[Symbol.dispose]();
  };
  context.drain.signal.addEventListener('abort', () => background(log, 'drain', drain()), { once: true });
};
