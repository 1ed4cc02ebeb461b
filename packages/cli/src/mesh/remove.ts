// `ambit mesh remove`. In: a namespace. Out: its label gone and no pod captured any more.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { requireNamespace } from './add.ts';

/** Waits until no pod of the namespace is captured. */
export async function waitUntilReleased(
  api: ClusterApi,
  namespace: string,
  timeoutMs: number,
  onMissing?: (text: string) => void,
): Promise<void> {
  await waitUntil(
    `release of namespace ${namespace}`,
    timeoutMs,
    async () => {
      const pods = await api.list(kinds.pod, { namespace });
      const captured = pods.filter((pod) => pod.metadata?.annotations?.[labels.redirection] === 'enabled').map(nameOf);
      return captured.length === 0 ? { value: true } : { missing: `still captured: ${captured.join(', ')}` };
    },
    { hint: 'kubectl -n istio-system logs ds/istio-cni-node', ...(onMissing === undefined ? {} : { onMissing }) },
  );
}

/** Removes the label and waits until the pods are out. */
export async function meshRemove(
  api: ClusterApi,
  namespace: string,
  options: { readonly timeoutMs: number },
): Promise<void> {
  await requireNamespace(api, namespace);
  await api.patch({ ...kinds.namespace, name: namespace }, { metadata: { labels: { [labels.dataplaneMode]: null } } });
  const progress = startProgress(`label ${labels.dataplaneMode} removed from namespace ${namespace}`);
  await waitUntilReleased(api, namespace, options.timeoutMs, progress.update);
  progress.done(`no pod of ${namespace} is captured`);
}
