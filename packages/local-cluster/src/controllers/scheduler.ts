// The scheduler: gives every unbound pod a node.
// Comes in: pods without nodeName, nodes. Goes out: spec.nodeName, condition PodScheduled, Events. Main thread.
import type { Node, Pod } from './objects.ts';
import { controllerOfParts, keyOf, nowSeconds, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { reasonAgainstNode } from './place-pod.ts';
import { isPodActive, isPodFinished } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';

/** Binds a pod to a node; the API's binding path, given by the caller. */
export type BindPod = (pod: Pod, nodeName: string) => Promise<void>;

/** Starts the scheduler for pods whose schedulerName is `default-scheduler`. */
export function startScheduler(context: ControllerContext, bind: BindPod): Controller {
  const queue = createWorkQueue('scheduler', context.log, (key) => schedule(context, bind, key));
  const waiting = (): void => {
    for (const pod of context.api.list<Pod>('pods').items) if (isUnbound(pod)) queue.add(keyOf(pod));
  };
  return controllerOfParts(
    queue,
    context.api.watch<Pod>('pods', {}, ({ type, object }) => {
      if (type === 'DELETED') waiting();
      else if (isUnbound(object)) queue.add(keyOf(object));
    }),
    context.api.watch<Node>('nodes', {}, ({ type }) => {
      if (type !== 'DELETED') waiting();
    }),
  );
}

function isUnbound(pod: Pod): boolean {
  return (
    (pod.spec.nodeName ?? '') === '' &&
    isPodActive(pod) &&
    (pod.spec.schedulerName ?? 'default-scheduler') === 'default-scheduler'
  );
}

async function schedule(context: ControllerContext, bind: BindPod, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const pod = context.api.get<Pod>('pods', name, namespace);
  if (pod === undefined || !isUnbound(pod)) return;
  const choice = chooseNode(pod, context.api.list<Node>('nodes').items, context.api.list<Pod>('pods').items);
  if ('node' in choice) {
    await bind(pod, choice.node);
    context.events.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${choice.node}`);
    return;
  }
  const before = pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
  if (before?.status === 'False' && before.message === choice.why) return;
  const others = (pod.status?.conditions ?? []).filter((c) => c.type !== 'PodScheduled');
  const conditions = [
    ...others,
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: choice.why,
      lastTransitionTime: nowSeconds(),
    },
  ];
  await context.api.patch('pods', name, namespace, { status: { conditions } }, { subresource: 'status' });
  context.events.record(pod, 'Warning', 'FailedScheduling', choice.why);
}

/** Picks the allowed node with the fewest pods of the same workload, then the fewest pods. Pure. */
export function chooseNode(pod: Pod, nodes: readonly Node[], pods: readonly Pod[]): { node: string } | { why: string } {
  const refusals = new Map<string, number>();
  let best: { name: string; siblings: number; load: number } | undefined;
  for (const node of nodes) {
    const reason = reasonAgainst(pod, node, pods);
    if (reason !== undefined) {
      refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
      continue;
    }
    const here = pods.filter((each) => each.spec.nodeName === node.metadata.name && !isPodFinished(each));
    const siblings = here.filter((each) => ownerUid(each) !== undefined && ownerUid(each) === ownerUid(pod)).length;
    const better =
      best === undefined || siblings < best.siblings || (siblings === best.siblings && here.length < best.load);
    if (better) best = { name: node.metadata.name, siblings, load: here.length };
  }
  if (best !== undefined) return { node: best.name };
  const parts = [...refusals].map(([reason, count]) => `${count} ${reason}`);
  return {
    why: `0/${nodes.length} nodes are available: ${parts.length === 0 ? 'no node is registered' : parts.join(', ')}.`,
  };
}

const ownerUid = (pod: Pod): string | undefined => pod.metadata.ownerReferences?.[0]?.uid;

function reasonAgainst(pod: Pod, node: Node, pods: readonly Pod[]): string | undefined {
  if (node.spec.unschedulable === true) return 'node(s) were unschedulable';
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  if (ready?.status !== 'True') return 'node(s) were not ready';
  const reason = reasonAgainstNode(pod.spec, pod.spec.tolerations ?? [], node);
  if (reason !== undefined) return reason;
  const wanted = hostPortsOf(pod);
  if (wanted.length === 0) return undefined;
  const taken = pods
    .filter((each) => each.spec.nodeName === node.metadata.name && !isPodFinished(each))
    .flatMap(hostPortsOf);
  return wanted.some((port) => taken.includes(port))
    ? "node(s) didn't have free ports for the requested pod ports"
    : undefined;
}

function hostPortsOf(pod: Pod): string[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap((port) => {
      const host = port.hostPort ?? (pod.spec.hostNetwork === true ? port.containerPort : undefined);
      return host === undefined ? [] : [`${port.protocol ?? 'TCP'}/${host}`];
    }),
  );
}
