// The agent of one node: registers the node, keeps its lease, runs the pods bound to it.
// Comes in: the watch of pods with spec.nodeName = this node. Goes out: pod workers, node status. Main thread.
import { randomUUID } from 'node:crypto';
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
import { followPower } from './node-power.ts';
import { startPodWorker } from './pod-worker.ts';
import type { PodWorker, PodWorkerContext } from './pod-worker.ts';
import { registerNode, renewLease } from './register-node.ts';
import type { SandboxFactory } from './sandbox.ts';

/** What a node is made of. */
export interface NodeRuntimeOptions {
  readonly api: ObjectApi;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly place: NodePlace;
  readonly factory: SandboxFactory;
  /** The image map as it is now. */
  readonly images: () => readonly ImageEntry[];
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
  let bootId = randomUUID();
  let isOn = true;
  await registerNode(options, bootId);
  await renewLease(api, place.name);
  const heartbeat = async (): Promise<void> => {
    if (!isOn) return;
    await renewLease(api, place.name);
    const ready = api.get<Node>('nodes', place.name)?.status?.conditions?.find(({ type }) => type === 'Ready');
    // A machine that slept finds itself declared silent.
    if (ready?.status !== 'True') await registerNode(options, bootId);
  };
  const lease = setInterval(() => background(log, 'renew node lease', heartbeat()), LEASE_MS);
  lease.unref();

  const onPod = (type: string, pod: Pod): void => {
    if (!isOn) return;
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

  const endAll = async (graceMs: number): Promise<void> => {
    await Promise.all(
      [...workers.values()].map(({ worker }) =>
        worker.shutDown(graceMs).catch((error: unknown) => log.warn('pod not ended', { error: messageOf(error) })),
      ),
    );
  };

  const mine = { fieldSelector: `spec.nodeName=${place.name}` };
  const power = followPower(api, place.name, log, {
    off: async () => {
      isOn = false;
      await endAll(0);
      workers.clear();
    },
    on: async () => {
      bootId = randomUUID();
      await renewLease(api, place.name);
      await registerNode(options, bootId);
      const node = api.get<Node>('nodes', place.name);
      const message = `Node ${place.name} has been rebooted, boot id: ${bootId}`;
      if (node !== undefined) options.events.record(node, 'Warning', 'Rebooted', message);
      isOn = true;
      for (const pod of api.list<Pod>('pods', mine).items) onPod('ADDED', pod);
    },
  });

  const refreshUsers = (kind: 'configmaps' | 'secrets', object: AnyObject): void => {
    for (const { worker, key } of workers.values()) {
      if (key.startsWith(`${object.metadata.namespace ?? ''}/`) && worker.uses(kind, object.metadata.name))
        worker.refresh();
    }
  };

  const watches = [
    api.watch<AnyObject>('configmaps', {}, ({ object }) => refreshUsers('configmaps', object)),
    api.watch<AnyObject>('secrets', {}, ({ object }) => refreshUsers('secrets', object)),
    api.watch<Pod>('pods', mine, ({ type, object }) => onPod(type, object)),
  ];

  return {
    name: place.name,
    worker: ({ namespace, name }) => [...workers.values()].find((each) => each.key === `${namespace}/${name}`)?.worker,
    close: async (graceMs) => {
      clearInterval(lease);
      for (const watch of watches) watch[Symbol.dispose]();
      await power.close();
      await endAll(graceMs);
    },
  };
}
