// `ambit mesh remove`. In: a namespace. Out: its label gone and no pod captured any more.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { confirmPlan, type PlanFlags, type PlannedChange } from '../output/confirm.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { requireNamespace } from './add.ts';
import { isEnding } from './capture.ts';

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
      // `pending` is captured too: the rules are in place, only no node proxy has taken the pod yet.
      const captured = pods.filter(
        (pod) => !isEnding(pod) && pod.metadata?.annotations?.[labels.redirection] !== undefined,
      );
      return captured.length === 0
        ? { value: true }
        : { missing: `still captured: ${captured.map(nameOf).join(', ')}` };
    },
    { hint: 'kubectl -n istio-system logs ds/istio-cni-node', ...(onMissing === undefined ? {} : { onMissing }) },
  );
}

/** Takes the label off the namespace and off every pod that has its own, and waits until the pods are out. */
export async function meshRemove(
  api: ClusterApi,
  namespace: string,
  options: PlanFlags & { readonly timeoutMs: number },
): Promise<void> {
  const owner = await requireNamespace(api, namespace);
  const patch = { metadata: { labels: { [labels.dataplaneMode]: null } } };
  const pods = (await api.list(kinds.pod, { namespace })).filter(
    (pod) => pod.metadata?.labels?.[labels.dataplaneMode] === 'ambient',
  );
  const isLabelled = owner.metadata?.labels?.[labels.dataplaneMode] !== undefined;
  const changes: readonly PlannedChange[] = [
    ...(isLabelled
      ? [{ action: 'unlabel' as const, object: `Namespace ${namespace}`, detail: labels.dataplaneMode }]
      : []),
    ...pods.map((pod) => ({
      action: 'unlabel' as const,
      object: `Pod ${namespace}/${nameOf(pod)}`,
      detail: labels.dataplaneMode,
    })),
  ];
  if (!(await confirmPlan(changes, options))) return;
  if (isLabelled) await api.patch({ ...kinds.namespace, name: namespace }, patch);
  for (const pod of pods) await api.patch({ ...kinds.pod, namespace, name: nameOf(pod) }, patch);
  const progress = startProgress(`label ${labels.dataplaneMode} removed from namespace ${namespace}`);
  await waitUntilReleased(api, namespace, options.timeoutMs, progress.update);
  progress.done(`no pod of ${namespace} is captured`);
}
