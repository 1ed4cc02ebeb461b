// In: values of an installation. Out: no pod captured, no object of the mesh left. Called by `ambit uninstall` and the demo.
import { type PartialMeshValues, renderMesh } from '@ambit/charts';
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { waitUntilReleased } from '../mesh/remove.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';

/** Takes every namespace out of the mesh, while the node agents can still remove their rules. */
async function releaseAll(api: ClusterApi, onMissing: (text: string) => void): Promise<void> {
  for (const namespace of await api.list(kinds.namespace)) {
    if (namespace.metadata?.labels?.[labels.dataplaneMode] === undefined) continue;
    await api.patch(
      { ...kinds.namespace, name: nameOf(namespace) },
      { metadata: { labels: { [labels.dataplaneMode]: null, [labels.useWaypoint]: null } } },
    );
    await waitUntilReleased(api, nameOf(namespace), 60_000, onMissing);
  }
}

const isShared = (object: KubernetesObject): boolean =>
  object.kind === 'CustomResourceDefinition' || object.kind === 'Namespace';

async function remove(api: ClusterApi, object: KubernetesObject): Promise<void> {
  const { apiVersion = '', kind = '' } = object;
  const namespace = object.metadata?.namespace;
  await api.delete({ apiVersion, kind, name: nameOf(object), ...(namespace === undefined ? {} : { namespace }) });
}

/** Releases all pods, then deletes the objects in reverse order; `purge` also takes the definitions and the namespace. */
export async function uninstall(
  api: ClusterApi,
  values: PartialMeshValues,
  options: { readonly purge: boolean },
): Promise<void> {
  const progress = startProgress('releasing all pods');
  await releaseAll(api, progress.update);
  progress.update('deleting the objects of the mesh');
  const objects = renderMesh(values).toReversed();
  for (const object of objects.filter((candidate) => options.purge || !isShared(candidate))) await remove(api, object);
  await endMeshPods(api, values.namespace ?? 'istio-system', progress.update);
  progress.done('the mesh is uninstalled');
}

/** How long the pods of the mesh get to end by themselves. */
const patienceMs = 5000;

/**
 * Waits until the mesh's pods have ended. A replaced node proxy would serve its long-lived connections up to its drain limit; no pod is
 * in the mesh any more, so nobody is protected by waiting for that, and what is left is ended.
 */
async function endMeshPods(api: ClusterApi, namespace: string, onMissing: (text: string) => void): Promise<void> {
  const started = performance.now();
  let isHurried = false;
  await waitUntil(
    'end of the mesh workloads',
    90_000,
    async () => {
      const pods = await api.list(kinds.pod, { namespace });
      if (!isHurried && performance.now() - started > patienceMs) {
        isHurried = true;
        for (const pod of pods)
          await api.delete({ ...kinds.pod, namespace, name: nameOf(pod) }, { gracePeriodSeconds: 1 });
      }
      return pods.length === 0 ? { value: true } : { missing: `still there: ${pods.map(nameOf).join(', ')}` };
    },
    { onMissing },
  );
}
