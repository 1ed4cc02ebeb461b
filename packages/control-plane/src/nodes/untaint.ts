// Nodes start with a taint that keeps pods away until their node agent is ready; here it is taken off (spec node-agent 6.9). In: nodes and
// node agents. Out: patches of nodes. Runs while this replica leads, if switched on. Called by writers.ts; main thread.
import { type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { KubernetesObject, Node } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';

const RETRY_MS = 1000;
const AGENT_LABEL = 'k8s-app=istio-cni-node';

/** Settings of {@link untaintNodes}. */
export interface UntaintOptions {
  readonly client: KubeClient;
  /** Namespace of the node agents. */
  readonly namespace: string;
  /** Key of the taint. */
  readonly taint: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The node of an agent that is ready; undefined for any other pod. Pure. */
export function readyAgentNode(pod: KubernetesObject): string | undefined {
  const { nodeName } = (pod['spec'] ?? {}) as { nodeName?: string };
  const { conditions = [] } = (pod['status'] ?? {}) as { conditions?: readonly { type?: string; status?: string }[] };
  const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return isReady && pod.metadata?.deletionTimestamp === undefined ? nodeName : undefined;
}

/** The taints of a node without this one; undefined when it has not got it. Pure. */
export function taintsWithout(node: Node, key: string): readonly unknown[] | undefined {
  const taints = node.spec?.taints ?? [];
  const left = taints.filter((taint) => (taint as { key?: string }).key !== key);
  return left.length === taints.length ? undefined : left;
}

/** Takes the taint off every node whose agent is ready, until `signal` aborts. */
export function untaintNodes({ client, namespace, taint, log, signal }: UntaintOptions): void {
  const agents = new Map<string, string>();
  const look = async (name: string): Promise<void> => {
    if (signal.aborted || ![...agents.values()].includes(name)) return;
    try {
      const node = await client.get({ kind: 'Node', name });
      const taints = node === undefined ? undefined : taintsWithout(node, taint);
      if (node === undefined || taints === undefined) return;
      // The version makes the list of taints, which is replaced as a whole, the one that was read.
      const metadata = { resourceVersion: node.metadata.resourceVersion };
      await client.patch({ kind: 'Node', name }, { metadata, spec: { taints } }, { type: 'merge' });
      log.info('taint removed: the node agent is ready', { node: name, taint });
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return;
      log.warn('taint not removed', { node: name, taint, error: messageOf(error) });
      setTimeout(() => want(name), RETRY_MS).unref();
    }
  };
  const want = (name: string | undefined): void => {
    if (name !== undefined) background(log, 'taints of nodes', look(name));
  };
  const watchAgents = startInformer({
    client,
    kind: 'Pod',
    namespace,
    labelSelector: AGENT_LABEL,
    log,
    onChanges(changes) {
      for (const change of changes) {
        const node = change.type === 'delete' ? undefined : readyAgentNode(change.object);
        const name = change.type === 'delete' ? change.name : (change.object.metadata?.name ?? '');
        if (node === undefined) agents.delete(name);
        else agents.set(name, node);
        want(node);
      }
    },
  });
  const watchNodes = startInformer({
    client,
    kind: 'Node',
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete' || taintsWithout(change.object as Node, taint) === undefined) continue;
        want(change.object.metadata?.name);
      }
    },
  });
  signal.addEventListener('abort', () => {
    watchAgents.close();
    watchNodes.close();
  });
}
