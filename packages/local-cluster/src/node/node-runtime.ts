// The agent of one node: registers the node, keeps its lease, runs the pods bound to it.
// Comes in: the watch of pods with spec.nodeName = this node. Goes out: pod workers, node status. Main thread.
import { cpus, release, totalmem } from 'node:os';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import { nowSeconds } from '../controllers/context.ts';
import type { EventRecorder } from '../controllers/events.ts';
import type { AnyObject, Node, Pod } from '../controllers/objects.ts';
import { isPodFinished } from '../controllers/selector.ts';
import type { NodePlace } from '../network/topology.ts';
import type { ImageEntry } from './images.ts';
import { startPodWorker } from './pod-worker.ts';
import type { PodWorker, PodWorkerContext } from './pod-worker.ts';
import type { SandboxFactory } from './sandbox.ts';

/** What a node is made of. */
export interface NodeRuntimeOptions {
  readonly api: ObjectApi;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly place: NodePlace;
  readonly factory: SandboxFactory;
  readonly images: readonly ImageEntry[];
  readonly podsDir: string;
  /** Folders of volume claims, shared by all nodes. */
  readonly claimsDir: string;
  readonly kubeletVersion: string;
}

/** A running node. */
export interface NodeRuntime {
  readonly name: string;
  worker(pod: { namespace: string; name: string }): PodWorker | undefined;
  /** Ends all pods of the node; `graceMs` for each. */
  close(graceMs: number): Promise<void>;
}

const LEASE_MS = 10_000;

/** Registers the node and starts its pods. */
export async function startNodeRuntime(options: NodeRuntimeOptions): Promise<NodeRuntime> {
  const { api, place, log } = options;
  const workers = new Map<string, { worker: PodWorker; key: string }>();
  const context: PodWorkerContext = {
    api,
    log,
    events: options.events,
    nodeName: place.name,
    hostIp: place.ip,
    images: options.images,
    factory: options.factory,
    podsDir: options.podsDir,
    claimsDir: options.claimsDir,
  };
  await registerNode(options);
  await renewLease(api, place.name);
  const heartbeat = async (): Promise<void> => {
    await renewLease(api, place.name);
    const ready = api.get<Node>('nodes', place.name)?.status?.conditions?.find(({ type }) => type === 'Ready');
    // A machine that slept finds itself declared silent.
    if (ready?.status !== 'True') await registerNode(options);
  };
  const lease = setInterval(() => background(log, 'renew node lease', heartbeat()), LEASE_MS);
  lease.unref();

  const onPod = (type: string, pod: Pod): void => {
    const uid = pod.metadata.uid ?? '';
    const known = workers.get(uid);
    if (type === 'DELETED') {
      if (known !== undefined)
        known.worker.update({
          ...pod,
          metadata: { ...pod.metadata, deletionTimestamp: nowSeconds(), deletionGracePeriodSeconds: 0 },
        });
      return;
    }
    if (known !== undefined) return known.worker.update(pod);
    if (isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined) return;
    const worker = startPodWorker(context, pod);
    workers.set(uid, { worker, key: `${pod.metadata.namespace ?? ''}/${pod.metadata.name}` });
    void worker.gone.then(() => workers.delete(uid));
    if (pod.metadata.deletionTimestamp !== undefined) worker.update(pod);
  };

  const refreshUsers = (kind: 'configmaps' | 'secrets', object: AnyObject): void => {
    for (const { worker, key } of workers.values()) {
      if (key.startsWith(`${object.metadata.namespace ?? ''}/`) && worker.uses(kind, object.metadata.name))
        worker.refresh();
    }
  };

  const watches = [
    api.watch<AnyObject>('configmaps', {}, ({ object }) => refreshUsers('configmaps', object)),
    api.watch<AnyObject>('secrets', {}, ({ object }) => refreshUsers('secrets', object)),
    api.watch<Pod>('pods', { fieldSelector: `spec.nodeName=${place.name}` }, ({ type, object }) => onPod(type, object)),
  ];

  return {
    name: place.name,
    worker: ({ namespace, name }) => [...workers.values()].find((each) => each.key === `${namespace}/${name}`)?.worker,
    close: async (graceMs) => {
      clearInterval(lease);
      for (const watch of watches) watch[Symbol.dispose]();
      await Promise.all(
        [...workers.values()].map(({ worker }) =>
          worker.shutDown(graceMs).catch((error: unknown) => log.warn('pod not ended', { error: messageOf(error) })),
        ),
      );
    },
  };
}

async function registerNode({ api, place, kubeletVersion }: NodeRuntimeOptions): Promise<void> {
  const now = nowSeconds();
  const labels = {
    'kubernetes.io/hostname': place.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': process.arch === 'arm64' ? 'arm64' : 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'topology.kubernetes.io/region': 'local',
    'topology.kubernetes.io/zone': `local-${place.index}`,
  };
  const node: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: place.name, labels },
    spec: {
      podCIDR: `${place.podPrefix}.0/24`,
      podCIDRs: [`${place.podPrefix}.0/24`],
      providerID: `ambit://${place.name}`,
    },
  };
  const present = api.get<Node>('nodes', place.name);
  if (present === undefined) await api.create('nodes', node);
  else await api.patch('nodes', place.name, undefined, { metadata: { labels }, spec: node.spec });
  const resources = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '250' };
  const condition = (type: string, holds: boolean, reason: string, message: string): Record<string, string> => ({
    type,
    status: holds ? 'True' : 'False',
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  const status = {
    addresses: [
      { type: 'InternalIP', address: place.ip },
      { type: 'Hostname', address: place.name },
    ],
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition('MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', true, 'KubeletReady', 'kubelet is posting ready status'),
    ],
    nodeInfo: {
      architecture: labels['kubernetes.io/arch'],
      operatingSystem: 'linux',
      osImage: 'Ambit local cluster',
      kernelVersion: release(),
      containerRuntimeVersion: 'ambit://0.0.0',
      kubeletVersion,
      kubeProxyVersion: kubeletVersion,
      bootID: '',
      machineID: '',
      systemUUID: '',
    },
  };
  await api.patch('nodes', place.name, undefined, { status }, { subresource: 'status' });
}

async function renewLease(api: ObjectApi, name: string): Promise<void> {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  if (api.get('leases.coordination.k8s.io', name, 'kube-node-lease') !== undefined) {
    await api.patch('leases.coordination.k8s.io', name, 'kube-node-lease', { spec: { renewTime } });
    return;
  }
  const lease: AnyObject & { spec: object } = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime },
  };
  await api.create('leases.coordination.k8s.io', lease);
}
