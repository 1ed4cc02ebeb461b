// DaemonSets: one pod of the template per suitable node, replaced by surge or by unavailability.
// Comes in: DaemonSets, pods, nodes. Goes out: pods, ControllerRevisions, DaemonSet status. Main thread.
import type { DaemonSet, Node, Pod, Toleration } from './objects.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { isNotFound } from '../api/status.ts';
import { planDaemonStep } from './daemon-plan.ts';
import type { DaemonNode } from './daemon-plan.ts';
import { reasonAgainstNode, RUNNING_EFFECTS } from './place-pod.ts';
import { canonicalJson, podFromTemplate, templateHash } from './pod-from-template.ts';
import { controllerOf, isPodAvailable, isPodFinished, isPodReady } from './selector.ts';
import { createRevision, newestOf, REVISION_HASH, REVISIONS, revisionsOf } from './revisions.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

const IMPLIED_TOLERATIONS: Toleration[] = [
  'not-ready',
  'unreachable',
  'disk-pressure',
  'memory-pressure',
  'pid-pressure',
  'unschedulable',
].map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: 'Exists',
  effect: name === 'not-ready' || name === 'unreachable' ? 'NoExecute' : 'NoSchedule',
}));

/** Starts the DaemonSet controller. */
export function startDaemonSetController(context: ControllerContext): Controller {
  const queue = createWorkQueue('daemonset', context.log, (key) => reconcile(context, key));
  const all = (): void => {
    for (const set of context.api.list<DaemonSet>('daemonsets.apps').items) queue.add(keyOf(set));
  };
  return controllerOfParts(
    queue,
    context.api.watch<DaemonSet>('daemonsets.apps', {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<Pod>('pods', {}, ({ object }) => {
      const owner = controllerOf(object.metadata);
      if (owner?.kind === 'DaemonSet') queue.add(`${object.metadata.namespace ?? ''}/${owner.name}`);
    }),
    context.api.watch<Node>('nodes', {}, ({ type, object, previous }) => {
      if (type !== 'MODIFIED' || hasMoved(object, previous)) all();
    }),
  );
}

// Labels and taints decide where daemon pods run; heartbeats do not.
function hasMoved(node: Node, previous: Node | undefined): boolean {
  const facts = (each: Node | undefined): string => canonicalJson([each?.metadata.labels, each?.spec.taints]);
  return facts(node) !== facts(previous);
}

async function reconcile(context: ControllerContext, key: string): Promise<ReconcileResult> {
  const { namespace, name } = splitKey(key);
  const set = context.api.get<DaemonSet>('daemonsets.apps', name, namespace);
  if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
  const hash = templateHash(set.spec.template);
  await ensureRevision(context, set, hash);
  const nodes = nodesOf(context, set, hash);
  const step = planDaemonStep(
    [...nodes.values()],
    set.spec.updateStrategy?.type ?? 'RollingUpdate',
    set.spec.updateStrategy?.rollingUpdate ?? {},
  );
  await Promise.all(step.remove.map((podName) => removePod(context, set, podName)));
  await Promise.all(step.create.map((node) => createPod(context, set, node, hash)));
  const changed = step.remove.length + step.create.length > 0;
  return writeStatus(context, set, changed ? nodesOf(context, set, hash) : nodes);
}

function nodesOf(context: ControllerContext, set: DaemonSet, hash: string): Map<string, DaemonNode> {
  const tolerations = [...IMPLIED_TOLERATIONS, ...(set.spec.template.spec.tolerations ?? [])];
  const nodes = new Map<string, DaemonNode>();
  for (const node of context.api.list<Node>('nodes').items) {
    const { spec } = set.spec.template;
    const wanted = reasonAgainstNode(spec, tolerations, node) === undefined;
    const mayStay = wanted || reasonAgainstNode(spec, tolerations, node, RUNNING_EFFECTS) === undefined;
    nodes.set(node.metadata.name, { name: node.metadata.name, wanted, mayStay, pods: [] });
  }
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  const now = Date.now();
  for (const pod of context.api.list<Pod>('pods', { namespace: set.metadata.namespace ?? '' }).items) {
    if (controllerOf(pod.metadata)?.uid !== set.metadata.uid) continue;
    const nodeName = pod.spec.nodeName ?? '';
    const node = nodes.get(nodeName) ?? { name: nodeName, wanted: false, mayStay: false, pods: [] };
    nodes.set(nodeName, node);
    node.pods.push({
      name: pod.metadata.name,
      current: pod.metadata.labels?.[REVISION_HASH] === hash,
      ready: isPodReady(pod),
      available: isPodAvailable(pod, minReadySeconds, now),
      finished: isPodFinished(pod),
      terminating: pod.metadata.deletionTimestamp !== undefined,
    });
  }
  return nodes;
}

async function createPod(context: ControllerContext, set: DaemonSet, nodeName: string, hash: string): Promise<void> {
  const tolerations = [...(set.spec.template.spec.tolerations ?? []), ...IMPLIED_TOLERATIONS];
  const pod = podFromTemplate(set, set.spec.template, {
    labels: { [REVISION_HASH]: hash },
    spec: { nodeName, tolerations },
  });
  const made = await context.api.create<Pod>('pods', pod);
  context.events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`);
}

async function removePod(context: ControllerContext, set: DaemonSet, name: string): Promise<void> {
  await context.api.delete('pods', name, set.metadata.namespace).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  context.events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
}

async function ensureRevision(context: ControllerContext, set: DaemonSet, hash: string): Promise<void> {
  if (!context.api.serves(REVISIONS)) return;
  const name = `${set.metadata.name}-${hash}`;
  if (context.api.get(REVISIONS, name, set.metadata.namespace ?? 'default') !== undefined) return;
  await createRevision(context, set, { name, hash, revision: newestOf(revisionsOf(context, set)) + 1 });
}

async function writeStatus(
  context: ControllerContext,
  set: DaemonSet,
  nodes: ReadonlyMap<string, DaemonNode>,
): Promise<ReconcileResult> {
  const all = [...nodes.values()];
  const live = (node: DaemonNode): DaemonNode['pods'] => node.pods.filter((pod) => !pod.finished && !pod.terminating);
  const wanted = all.filter((node) => node.wanted);
  const count = (test: (node: DaemonNode) => boolean): number => wanted.filter(test).length;
  const available = count((node) => live(node).some((pod) => pod.available));
  const ready = count((node) => live(node).some((pod) => pod.ready));
  const status: Record<string, number> = {
    currentNumberScheduled: count((node) => live(node).length > 0),
    numberMisscheduled: all.filter((node) => !node.wanted && live(node).length > 0).length,
    desiredNumberScheduled: wanted.length,
    numberReady: ready,
    observedGeneration: set.metadata.generation ?? 0,
    // A node counts as updated when no older pod serves there any more, as `kubectl rollout status` expects with surge.
    updatedNumberScheduled: count((node) => live(node).length > 0 && live(node).every((pod) => pod.current)),
    numberAvailable: available,
    numberUnavailable: wanted.length - available,
  };
  const before = set.status ?? {};
  if (Object.keys(status).some((field) => before[field] !== status[field])) {
    await context.api.patch(
      'daemonsets.apps',
      set.metadata.name,
      set.metadata.namespace,
      { status },
      { subresource: 'status' },
    );
  }
  if (ready > available) return { requeueAfterMs: 250 };
}
