/**
 * Entry of a data thread: messages of the main thread in, traffic of all pods carried here.
 *
 * Started by `thread-pool.ts` as a worker. Holds its own view of the state, its own certificates and its own half of
 * each pod (listeners, pool, connections); shares nothing with other threads but the process's descriptors.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { chooseByteEngine, shownByteEngine } from '@ambit/hbone';
import { parseRevocationLists, type RevocationLists } from '@ambit/identity/x509/crl';
import { systemClock } from '@ambit/runtime/clock';
import { createLogger, isLogThreshold } from '@ambit/runtime/log';
import type { StateDiff } from '@ambit/state';
import { createFlowBuffer } from '@ambit/xds/flow-buffer';
import { DnsMetrics } from '../dns/dns-metrics.ts';
import { createThreadCertificates } from '../identity/thread-certificates.ts';
import { drainDeadline, errorText } from '../telemetry/response-flags.ts';
import { measureEventLoop } from '../telemetry/event-loop.ts';
import { OnDemandDns } from '../telemetry/on-demand-dns.ts';
import { TrafficMetrics } from '../telemetry/traffic-metrics.ts';
import { createOnDemand } from '../updates/on-demand.ts';
import type { DataConfig, FromDataThread, PodAssignment, ToDataThread } from './messages.ts';
import type { ThreadContext } from './pod-context.ts';
import { type PodTraffic, startPodTraffic } from './pod-traffic.ts';
import { createThreadProfiler } from './profiler.ts';
import { readSharedDiff } from './shared-diff.ts';
import { createThreadState } from './thread-state.ts';

/** Time between two reports of counts. */
const REPORT_EVERY_MS = 1000;
/** The same for flows, while somebody watches. */
const FLOWS_EVERY_MS = 250;

const config = workerData as DataConfig;
const port = parentPort;
if (port === null) throw new Error('this file runs only as a worker thread');
const post = (message: FromDataThread): void => port.postMessage(message);

/** Undefined until the first list was read. */
let revocations: RevocationLists | undefined;

const log = createLogger({ level: config.log.level, format: config.log.format });
const byteEngine = chooseByteEngine(config.byteEngine);
if (byteEngine.engine.name !== config.byteEngine) log.warn('byte engine cannot be used', shownByteEngine(byteEngine));
const state = createThreadState({ nodeName: config.nodeName, clock: systemClock });
const demands = new Map<number, () => void>();
let nextDemand = 1;

/** Asks the main thread; it answers always, at the latest after its own limit. */
async function ask(names: readonly string[]): Promise<void> {
  const id = nextDemand;
  nextDemand += 1;
  await new Promise<void>((resolve) => {
    demands.set(id, resolve);
    post({ kind: 'demand', id, names });
  });
}

const context: ThreadContext = {
  config,
  state,
  certificates: createThreadCertificates({
    need: (identity) => post({ kind: 'need-certificate', identity }),
    crl: () => revocations,
    tls: config.tls,
  }),
  sink: { log: log.child('access'), metrics: new TrafficMetrics(), flows: createFlowBuffer() },
  dnsMetrics: new DnsMetrics(),
  log: log.child('proxy'),
  dnsLog: log.child('dns'),
  policyLog: log.child('rbac'),
  openSockets: { source: 0, destination: 0 },
  missingPolicy: { denied: 0 },
  onDemand: config.onDemand ? createOnDemand({ snapshot: () => state.snapshot(), ask, clock: systemClock }) : undefined,
  onDemandDns: new OnDemandDns(),
  revoked: { source: 0, destination: 0 },
  limited: { resets: 0, handshakes: 0 },
};
const pods = new Map<string, PodTraffic>();
const profiler = createThreadProfiler(config.threadName);
const loop = measureEventLoop();

port.on('message', (message: ToDataThread) => {
  onMessage(message).catch((error: unknown) => log.error('data thread task failed', { error: errorText(error) }));
});

async function onMessage(message: ToDataThread): Promise<void> {
  switch (message.kind) {
    case 'state':
      onState(message.diff);
      return;
    case 'shared-state':
      onState(readSharedDiff(message.diff));
      return;
    case 'certificate':
      context.certificates.onCertificate(message.certificate);
      return;
    case 'certificate-failed':
      context.certificates.onFailure(message.identity, message.message);
      return;
    case 'revocations':
      onRevocations(parseRevocationLists(message.content));
      return;
    case 'certificate-forget':
      context.certificates.forget(message.identity);
      return;
    case 'pod-add':
      await addPod(message.id, message.pod);
      return;
    case 'pod-remove':
      pods.get(message.uid)?.destroy();
      pods.delete(message.uid);
      post({ kind: 'pod-removed', uid: message.uid });
      return;
    case 'drain':
      await drainAll(message.deadlineMs);
      return;
    case 'log-level':
      if (isLogThreshold(message.level)) log.setLevel(message.scope, message.level);
      return;
    case 'flow-limit':
      limitFlows(message.maxPerSecond);
      return;
    case 'dump':
      post({
        kind: 'dump',
        id: message.id,
        pods: Object.fromEntries([...pods].map(([uid, pod]) => [uid, pod.list()])),
      });
      return;
    case 'profile':
      post({ kind: 'profiled', id: message.id, profile: await profiler.run(message.request).catch(errorText) });
      return;
    case 'demanded':
      demands.get(message.id)?.();
      demands.delete(message.id);
      return;
    case 'ping':
      post({ kind: 'pong', id: message.id });
      return;
    default:
      message satisfies never;
  }
}

function onState(diff: StateDiff): void {
  context.state.apply(diff);
  for (const pod of pods.values()) pod.onDiff(diff);
}

function onRevocations(lists: RevocationLists): void {
  revocations = lists;
  for (const pod of pods.values()) pod.endRevoked(lists);
}

async function addPod(id: number, pod: PodAssignment): Promise<void> {
  try {
    pods.set(pod.uid, await startPodTraffic(context, pod));
    post({ kind: 'pod-added', id });
  } catch (error) {
    post({ kind: 'pod-failed', id, message: errorText(error) });
  }
}

/** Time for connections that were cut to write their last line. */
const LAST_WORDS_MS = 500;

/** All pods in parallel: accept no more, let live connections finish until the deadline, then cut. */
async function drainAll(deadlineMs: number): Promise<void> {
  const all = [...pods.values()];
  await Promise.all(all.map(async (pod) => pod.close(deadlineMs)));
  let cut = 0;
  for (const pod of all) cut += pod.destroy(drainDeadline);
  await Promise.all(all.map(async (pod) => pod.ended(LAST_WORDS_MS)));
  pods.clear();
  report();
  await log.flush();
  post({ kind: 'drained', outcome: cut > 0 ? 'deadline' : 'drained', cut });
}

let flowTimer: NodeJS.Timeout | undefined;

/** Sends flows as long as somebody wants some. */
function limitFlows(maxPerSecond: number): void {
  const { flows } = context.sink;
  flows.setLimit(maxPerSecond);
  if (maxPerSecond === 0) {
    clearInterval(flowTimer);
    flowTimer = undefined;
    return;
  }
  flowTimer ??= setInterval(() => {
    const batch = flows.take();
    if (batch !== undefined) post({ kind: 'flows', batch });
  }, FLOWS_EVERY_MS).unref();
}

function report(): void {
  let tunnels = 0;
  for (const pod of pods.values()) tunnels += pod.tunnelConnections;
  post({
    kind: 'metrics',
    traffic: context.sink.metrics.take(),
    dns: context.dnsMetrics.take(),
    openSockets: { source: context.openSockets.source, destination: context.openSockets.destination + tunnels },
    deniedByMissingPolicy: context.missingPolicy.denied,
    onDemandDns: context.onDemandDns.take(),
    revoked: { ...context.revoked },
    limited: { ...context.limited },
    loop: loop.take(),
  });
  context.missingPolicy.denied = 0;
  context.revoked.source = 0;
  context.revoked.destination = 0;
  context.limited.resets = 0;
  context.limited.handshakes = 0;
}

setInterval(report, REPORT_EVERY_MS).unref();
post({ kind: 'ready' });
