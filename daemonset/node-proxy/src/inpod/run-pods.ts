/**
 * The node agent's link in; pods that are started and stopped out, and verdicts on the connections from before their enrolment.
 *
 * Called by `app.ts`, which orders these against everything else. Main thread.
 */
import { closeSync, fstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { background } from '@ambit/runtime/background';
import { systemClock } from '@ambit/runtime/clock';
import type { RunContext } from '@ambit/runtime/lifecycle';
import type { RootLogger } from '@ambit/runtime/log';
import type { Readiness, ReadinessTask } from '@ambit/runtime/readiness';
import type { StateStore } from '@ambit/state';
import type { NodeProxyConfig } from '../config.ts';
import type { NodeProxyMetrics } from '../telemetry/metrics.ts';
import { judgeUnprotected } from '../updates/judge-unprotected.ts';
import type { LocalWorkloads } from '../updates/local-workloads.ts';
import { startPod, type StartPodOptions } from './start-pod.ts';
import { runUnprotectedClient, UNPROTECTED_SOCKET } from './unprotected-client.ts';
import { createWorkloadManager, type WorkloadManager } from './workload-manager.ts';
import { connectPackets } from './zds-packets.ts';
import { connectStream } from './zds-stream.ts';
import { runZdsClient, type ZdsTransport } from './zds-client.ts';

/** The pods of this node: started on the agent's word, counted, and asked for of a control plane that does not push them. */
export function createPods(
  starter: StartPodOptions,
  metrics: NodeProxyMetrics,
  demand: (name: string) => void,
): WorkloadManager {
  const pods: WorkloadManager = createWorkloadManager({
    start: async (spec) => {
      const { namespace, name } = spec.workload;
      demand(`${starter.config.clusterId}//Pod/${namespace}/${name}`);
      return startPod(starter, spec);
    },
    netnsId: (fd) => {
      const { dev, ino } = fstatSync(fd, { bigint: true });
      return `${dev}:${ino}`;
    },
    closeFd: closeSync,
    clock: systemClock,
    log: starter.log,
    onChange() {
      const list = pods.list();
      const up = list.filter(({ state }) => state === 'Up').length;
      metrics.setPods(up, list.length - up);
    },
    counters: { started: () => metrics.podStarted(), stopped: () => metrics.podStopped() },
  });
  return pods;
}

/** Connects to the node agent until the drain is over; its readiness follows the snapshot and the pending pods. */
export function runPods(
  config: NodeProxyConfig,
  pods: WorkloadManager,
  readiness: Readiness,
  log: RootLogger,
  life: { readonly draining: AbortSignal; readonly ended: AbortSignal },
): void {
  const { env } = config;
  let task: ReadinessTask | undefined = readiness.register('workload proxy manager');
  const follow = setInterval(() => {
    if (pods.isReady) {
      task?.ready();
      task = undefined;
    } else {
      task ??= readiness.register('workload proxy manager');
    }
  }, 50);
  follow.unref();
  const connect = async (signal: AbortSignal): Promise<ZdsTransport> =>
    env.AMBIT_ZDS_TRANSPORT === 'stream' ? connectStream(env.INPOD_UDS, signal) : connectPackets(env.INPOD_UDS, signal);
  const client = runZdsClient({
    connect,
    needsNetns: env.AMBIT_ZDS_TRANSPORT === 'seqpacket',
    handler: pods,
    closeFd: closeSync,
    onProtocolError(error) {
      // The two sides disagree about what runs here; only a new process with a new snapshot can be trusted (spec 8.4).
      log.error('zds protocol error', { error: error.message });
      background(
        log,
        'exit',
        log.flush().then(() => process.exit(1)),
      );
    },
    log: log.child('inpod'),
    draining: life.draining,
    signal: life.ended,
  });
  background(log, 'zds client', client);
}

/** Lets policies reach the connections that were open before their pods were enrolled. */
export function judgeOldConnections(
  config: NodeProxyConfig,
  { store, local }: { readonly store: StateStore; readonly local: LocalWorkloads },
  log: RootLogger,
  context: RunContext,
): void {
  const { env } = config;
  const client = runUnprotectedClient({
    path: join(dirname(env.INPOD_UDS), UNPROTECTED_SOCKET),
    judge: (connections) =>
      judgeUnprotected(store.snapshot(), connections, {
        find: (info) => local.find(store.snapshot(), info),
        missing: env.AMBIT_MISSING_POLICY,
      }),
    log: log.child('inpod'),
    signal: context.drain.signal,
  });
  background(log, 'unprotected connections', client);
}
