/**
 * The parts that the admin server asks, in; the server on loopback, out (spec/node-proxy.md 9.5). Called by `app.ts`, which closes it.
 */
import { currentByteEngine } from '@ambit/hbone';
import type { CertificateManager } from '@ambit/identity/certificate-manager';
import type { AdminServer } from '@ambit/runtime/admin';
import type { RootLogger } from '@ambit/runtime/log';
import type { StateStore } from '@ambit/state';
import type { NodeProxyConfig } from '../config.ts';
import type { WorkloadManager } from '../inpod/workload-manager.ts';
import { createThreadProfiler } from '../threads/profiler.ts';
import type { ThreadPool } from '../threads/thread-pool.ts';
import { parseLocalState } from '../updates/local-file.ts';
import { buildInfo } from '../version.ts';
import { configDump } from './config-dump.ts';
import { loggingRoute } from './logging.ts';
import { pprofRoutes } from './pprof/routes.ts';
import { type AdminInput, listenOnLoopback } from './server.ts';
import { shownConfig } from './shown-config.ts';

/** Starts it on every loopback address that is there. */
export async function startAdmin(
  config: NodeProxyConfig,
  log: RootLogger,
  parts: {
    readonly store: StateStore;
    readonly manager: CertificateManager;
    readonly threads: ThreadPool;
    readonly pods: WorkloadManager | undefined;
    readonly stop: () => void;
  },
): Promise<readonly AdminServer[]> {
  const { threads } = parts;
  const own = createThreadProfiler('control');
  const input: AdminInput = {
    configDump: async () =>
      configDump({
        snapshot: parts.store.snapshot(),
        certificates: parts.manager.states(),
        pods: parts.pods?.list(),
        connections: await threads.dump(),
        config: { ...shownConfig(config), byteEngine: currentByteEngine().name },
        localState: config.localState === undefined ? undefined : parseLocalState(config.localState),
        version: { ...buildInfo, istioVersion: config.env.ISTIO_META_ISTIO_VERSION },
      }),
    logging: loggingRoute({
      log,
      startFilter: config.env.RUST_LOG,
      broadcast: (scope, level) => threads.broadcast({ kind: 'log-level', scope, level }),
    }),
    shutdown: parts.stop,
    pprof: pprofRoutes(async (request) => (await Promise.all([own.run(request), threads.profile(request)])).flat()),
    log: log.child('admin'),
  };
  const loopback = config.env.AMBIT_LOOPBACK_ADDRESS;
  // In a pod of the local cluster's loopback mode both loopback addresses stand for the pod's one address.
  const hasBoth = config.env.IPV6_ENABLED && config.env.AMBIT_LOOPBACK_POD_IP === undefined;
  return listenOnLoopback(input, {
    hosts: loopback === undefined ? ['127.0.0.1', ...(hasBoth ? ['::1'] : [])] : [loopback],
    port: config.adminPort,
  });
}
