// ReplicaSets: keeps the wanted number of pods of one template.
// Comes in: ReplicaSets and pods. Goes out: pod creations and deletions, ReplicaSet status. Main thread.
import type { Pod, ReplicaSet } from './objects.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { controllerOf, isPodActive, isPodAvailable, isPodReady, matchesSelector } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';
import { isNotFound } from '../api/status.ts';
import { ownerReferenceTo } from './owner-reference.ts';
import { podFromTemplate } from './pod-from-template.ts';

/** Starts the ReplicaSet controller. */
export function startReplicaSetController(context: ControllerContext): Controller {
  const queue = createWorkQueue('replicaset', context.log, (key) => reconcile(context, key));
  return controllerOfParts(
    queue,
    context.api.watch<ReplicaSet>('replicasets.apps', {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<Pod>('pods', {}, ({ object }) => {
      const owner = controllerOf(object.metadata);
      if (owner?.kind === 'ReplicaSet') queue.add(`${object.metadata.namespace ?? ''}/${owner.name}`);
      else if (owner === undefined) enqueueAdopters(context, object, (key) => queue.add(key));
    }),
  );
}

const BURST = 500;

function enqueueAdopters(context: ControllerContext, pod: Pod, add: (key: string) => void): void {
  if (pod.metadata.labels === undefined) return;
  const sets = context.api.list<ReplicaSet>('replicasets.apps', { namespace: pod.metadata.namespace ?? '' }).items;
  for (const set of sets) if (matchesSelector(set.spec.selector, pod.metadata.labels)) add(keyOf(set));
}

async function reconcile(context: ControllerContext, key: string): Promise<void | { requeueAfterMs: number }> {
  const { namespace, name } = splitKey(key);
  const set = context.api.get<ReplicaSet>('replicasets.apps', name, namespace);
  if (set === undefined) return;
  const pods = await ownPods(context, set);
  const active = pods.filter(isPodActive);
  if (set.metadata.deletionTimestamp === undefined) await scale(context, set, active);
  const now = context.api
    .list<Pod>('pods', { namespace })
    .items.filter((pod) => controllerOf(pod.metadata)?.uid === set.metadata.uid && isPodActive(pod));
  return writeStatus(context, set, now);
}

async function ownPods(context: ControllerContext, set: ReplicaSet): Promise<Pod[]> {
  const own: Pod[] = [];
  for (const pod of context.api.list<Pod>('pods', { namespace: set.metadata.namespace ?? '' }).items) {
    const owner = controllerOf(pod.metadata);
    if (owner?.uid === set.metadata.uid) own.push(pod);
    else if (owner === undefined && isPodActive(pod) && matchesSelector(set.spec.selector, pod.metadata.labels)) {
      if (set.metadata.deletionTimestamp !== undefined) continue;
      own.push(await adopt(context, set, pod));
    }
  }
  return own;
}

async function adopt(context: ControllerContext, set: ReplicaSet, pod: Pod): Promise<Pod> {
  const ownerReferences = [...(pod.metadata.ownerReferences ?? []), ownerReferenceTo(set)];
  return context.api.patch<Pod>('pods', pod.metadata.name, pod.metadata.namespace, { metadata: { ownerReferences } });
}

async function scale(context: ControllerContext, set: ReplicaSet, active: readonly Pod[]): Promise<void> {
  const wanted = set.spec.replicas ?? 1;
  if (active.length > wanted) return removePods(context, set, active, active.length - wanted);
  // As many at once as Kubernetes makes; their events lead to the next ones.
  let missing = Math.min(wanted - active.length, BURST);
  for (let batch = 1; missing > 0; batch *= 2) {
    const count = Math.min(batch, missing);
    await Promise.all(Array.from({ length: count }, () => createPod(context, set)));
    missing -= count;
  }
}

async function createPod(context: ControllerContext, set: ReplicaSet): Promise<void> {
  const pod = podFromTemplate(set, set.spec.template);
  try {
    const made = await context.api.create<Pod>('pods', pod);
    context.events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`);
  } catch (error) {
    context.events.record(set, 'Warning', 'FailedCreate', `Error creating: ${(error as Error).message}`);
    throw error;
  }
}

/** Orders pods for removal: unscheduled, not ready, then the newest first. */
export function byRemovalOrder(left: Pod, right: Pod): number {
  const unbound = Number(left.spec.nodeName !== undefined) - Number(right.spec.nodeName !== undefined);
  if (unbound !== 0) return unbound;
  const ready = Number(isPodReady(left)) - Number(isPodReady(right));
  if (ready !== 0) return ready;
  return (right.metadata.creationTimestamp ?? '').localeCompare(left.metadata.creationTimestamp ?? '');
}

async function removePods(
  context: ControllerContext,
  set: ReplicaSet,
  active: readonly Pod[],
  count: number,
): Promise<void> {
  const victims = [...active].sort(byRemovalOrder).slice(0, count);
  await Promise.all(
    victims.map(async (pod) => {
      await context.api.delete('pods', pod.metadata.name, pod.metadata.namespace).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      context.events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
    }),
  );
}

async function writeStatus(
  context: ControllerContext,
  set: ReplicaSet,
  active: readonly Pod[],
): Promise<void | { requeueAfterMs: number }> {
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  const now = Date.now();
  const ready = active.filter(isPodReady).length;
  const available = active.filter((pod) => isPodAvailable(pod, minReadySeconds, now)).length;
  const wantedLabels = set.spec.template.metadata?.labels ?? {};
  const status = {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesSelector({ matchLabels: wantedLabels }, pod.metadata.labels))
      .length,
    readyReplicas: ready,
    availableReplicas: available,
    observedGeneration: set.metadata.generation ?? 0,
  };
  const before = set.status ?? {};
  const same = (Object.keys(status) as (keyof typeof status)[]).every((field) => before[field] === status[field]);
  if (!same) {
    await context.api.patch(
      'replicasets.apps',
      set.metadata.name,
      set.metadata.namespace,
      { status },
      { subresource: 'status' },
    );
  }
  if (ready > available) return { requeueAfterMs: 250 };
}
