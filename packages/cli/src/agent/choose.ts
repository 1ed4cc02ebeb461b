// In: what the user named (a node proxy, an application pod, a deployment, a service, a node, an address, or nothing).
// Out: which node proxy to ask, and what to filter for. Called by the agent commands, node and explain.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, namespaceOf, specOf } from '../cluster/object-fields.ts';
import { parseReference } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';

/** A node proxy to ask. */
export interface ChosenAgent {
  readonly pod: KubernetesObject;
  readonly node: string;
  /** The application pod that was named, when it was one. */
  readonly target?: { readonly name: string; readonly namespace: string };
  /** True when nothing was named, so any of them will do. */
  readonly isArbitrary: boolean;
}

/** Node that a pod runs on. */
export const nodeOf = (pod: KubernetesObject): string => {
  const { nodeName } = specOf(pod);
  return typeof nodeName === 'string' ? nodeName : '';
};

/** The node proxies of the mesh, those that are not ending, by name of their node. */
export async function nodeProxies(api: ClusterApi, istioNamespace: string): Promise<readonly KubernetesObject[]> {
  const pods = await api.list(kinds.pod, { namespace: istioNamespace, labelSelector: 'app=ztunnel' });
  return pods
    .filter((pod) => (pod.metadata as { deletionTimestamp?: string } | undefined)?.deletionTimestamp === undefined)
    .toSorted((a, b) => (nodeOf(a) < nodeOf(b) ? -1 : 1));
}

function onNode(proxies: readonly KubernetesObject[], node: string): KubernetesObject {
  const pod = proxies.find((candidate) => nodeOf(candidate) === node);
  if (pod !== undefined) return pod;
  throw new CliError('ERR_CLI_NOT_FOUND', `node "${node}" has no node proxy`, {
    hint: `nodes with one: ${proxies.map(nodeOf).join(', ') || 'none; ambit check'}`,
  });
}

/** Chooses. `reference` and `node` exclude each other. */
export async function chooseAgent(
  api: ClusterApi,
  options: {
    readonly istioNamespace: string;
    readonly namespace: string;
    readonly reference?: string;
    readonly node?: string;
  },
): Promise<ChosenAgent> {
  const proxies = await nodeProxies(api, options.istioNamespace);
  const first = proxies[0];
  if (first === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `there is no node proxy in namespace ${options.istioNamespace}`, {
      hint: 'ambit check',
    });
  if (options.node !== undefined) return { pod: onNode(proxies, options.node), node: options.node, isArbitrary: false };
  if (options.reference === undefined) return { pod: first, node: nodeOf(first), isArbitrary: true };
  const reference = parseReference(options.reference);
  if (reference.kind === 'node')
    return { pod: onNode(proxies, reference.name), node: reference.name, isArbitrary: false };
  const own =
    reference.kind === 'any' || reference.kind === 'pod'
      ? proxies.find((pod) => nameOf(pod) === reference.name)
      : undefined;
  if (own !== undefined) return { pod: own, node: nodeOf(own), isArbitrary: false };
  const pods = await resolvePods(api, reference, options.namespace);
  const pod = pods[0];
  if (pod === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${options.reference}" has no running pod`, {
      hint: `kubectl get pods -n ${options.namespace}`,
    });
  return {
    pod: onNode(proxies, nodeOf(pod)),
    node: nodeOf(pod),
    target: { name: nameOf(pod), namespace: namespaceOf(pod) },
    isArbitrary: false,
  };
}
