// Nodes: what their state means for pods. A cordoned node and one that is silent get taints; pods leave a node whose
// NoExecute taint they do not tolerate, at once or after their toleration's time.
// Comes in: nodes, their leases, pods. Goes out: taints, condition Ready, pods deleted. Main thread.
import { isNotFound } from '../api/status.ts';
import { controllerOfParts, nowSeconds } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject, Node, Pod } from './objects.ts';
import { evictionDelay, plannedTaints } from './node-taints.ts';
import { canonicalJson } from './pod-from-template.ts';
import { isPodActive, isPodReady } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

/** A node that has not renewed its lease for this long is silent. */
const SILENT_AFTER_MS = 40_000;
const LOOK_MS = 5000;

interface Lease extends AnyObject {
  readonly spec?: { readonly renewTime?: string };
}

/** Starts the node lifecycle controller. */
export function startNodeLifecycleController(context: ControllerContext): Controller {
  const { api } = context;
  const startedMs = Date.now();
  const queue = createWorkQueue('node-lifecycle', context.log, (name) => reconcile(context, name, startedMs));
  const look = setInterval(() => {
    for (const node of api.list<Node>('nodes').items) queue.add(node.metadata.name);
  }, LOOK_MS);
  look.unref();
  return controllerOfParts(
    queue,
    { close: () => clearInterval(look) },
    api.watch<Node>('nodes', {}, ({ object }) => queue.add(object.metadata.name)),
    api.watch<Pod>('pods', {}, ({ type, object }) => {
      if (type === 'ADDED' && object.spec.nodeName !== undefined) queue.add(object.spec.nodeName);
    }),
  );
}

// Leases that aged while no cluster ran say nothing: silence counts from the start of this controller.
async function reconcile(context: ControllerContext, name: string, startedMs: number): Promise<ReconcileResult> {
  const { api } = context;
  const node = api.get<Node>('nodes', name);
  if (node === undefined) return;
  const lease = api.get<Lease>('leases.coordination.k8s.io', name, 'kube-node-lease');
  const renewedMs = Math.max(startedMs, Date.parse(lease?.spec?.renewTime ?? '') || 0);
  if (lease !== undefined && Date.now() - renewedMs > SILENT_AFTER_MS && readyOf(node) !== 'Unknown') {
    await markSilent(context, node);
    return;
  }
  const taints = plannedTaints(node, nowSeconds());
  if (canonicalJson(taints) !== canonicalJson(node.spec.taints ?? [])) {
    await api.patch('nodes', name, undefined, { spec: { taints: taints.length === 0 ? null : taints } });
    return;
  }
  return evict(context, node);
}

const readyOf = (node: Node): string | undefined =>
  node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status;

async function markSilent({ api, events }: ControllerContext, node: Node): Promise<void> {
  const conditions = (node.status?.conditions ?? []).map((condition) => ({
    ...condition,
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
    lastTransitionTime: nowSeconds(),
  }));
  await api.patch('nodes', node.metadata.name, undefined, { status: { conditions } }, { subresource: 'status' });
  events.record(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`);
  const pods = api.list<Pod>('pods', { fieldSelector: `spec.nodeName=${node.metadata.name}` }).items;
  for (const pod of pods) {
    if (!isPodReady(pod)) continue;
    const status = {
      conditions: (pod.status?.conditions ?? []).map((condition) =>
        condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime: nowSeconds() } : condition,
      ),
    };
    await api.patch('pods', pod.metadata.name, pod.metadata.namespace, { status }, { subresource: 'status' });
  }
}

async function evict({ api, events }: ControllerContext, node: Node): Promise<ReconcileResult> {
  const taints = (node.spec.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
  if (taints.length === 0) return;
  let next = Number.POSITIVE_INFINITY;
  for (const pod of api.list<Pod>('pods', { fieldSelector: `spec.nodeName=${node.metadata.name}` }).items) {
    if (!isPodActive(pod)) continue;
    const waitMs = evictionDelay(pod.spec.tolerations ?? [], taints, Date.now());
    if (waitMs > 0) {
      next = Math.min(next, waitMs);
      continue;
    }
    events.record(
      pod,
      'Normal',
      'TaintManagerEviction',
      `Marking for deletion Pod ${pod.metadata.namespace ?? ''}/${pod.metadata.name}`,
    );
    await api.delete('pods', pod.metadata.name, pod.metadata.namespace).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
  if (Number.isFinite(next)) return { requeueAfterMs: Math.min(next, 2 ** 31 - 1) };
}
