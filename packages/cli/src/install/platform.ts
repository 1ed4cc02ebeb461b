// In: a cluster. Out: the values that its platform needs. Called by install.ts and uninstall.ts.
import type { PartialMeshValues } from '@ambit/charts';
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { statusOf } from '../cluster/object-fields.ts';

/** Container runtime that the nodes of a local cluster report. */
const localRuntime = 'ambit://';

const runtimeOf = (node: KubernetesObject): string =>
  (statusOf(node)['nodeInfo'] as { containerRuntimeVersion?: string } | undefined)?.containerRuntimeVersion ?? '';

/** Values by platform. In a local cluster process 1 is the machine's, so node agents run in their node's network namespace. */
export async function platformValues(api: ClusterApi): Promise<PartialMeshValues> {
  const isLocal = (await api.list(kinds.node)).some((node) => runtimeOf(node).startsWith(localRuntime));
  return isLocal ? { cni: { shareHostNetworkNamespace: true } } : {};
}
