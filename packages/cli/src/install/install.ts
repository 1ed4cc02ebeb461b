// In: values. Out: every object of the mesh applied and its workloads running. Called by `ambit install` and the demo.
import { type PartialMeshValues, renderMesh } from '@ambit/charts';
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi, ObjectRef } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { conditionOf, nameOf } from '../cluster/object-fields.ts';
import { waitForRollouts } from '../cluster/rollout.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { platformOf } from './platform.ts';

/** The workloads that an installation waits for. */
export const meshWorkloads = (namespace: string): readonly ObjectRef[] => [
  { ...kinds.deployment, namespace, name: 'istiod' },
  { ...kinds.daemonSet, namespace, name: 'istio-cni-node' },
  { ...kinds.daemonSet, namespace, name: 'ztunnel' },
];

async function applyDefinitions(api: ClusterApi, definitions: readonly KubernetesObject[]): Promise<void> {
  await Promise.all(definitions.map(async (definition) => api.apply(definition)));
  await waitUntil('definitions', 30_000, async () => {
    const stored = await Promise.all(
      definitions.map(async (definition) => api.get({ ...kinds.definition, name: nameOf(definition) })),
    );
    const isComplete = stored.every(
      (definition) => definition !== undefined && conditionOf(definition, 'Established')?.status === 'True',
    );
    return isComplete ? { value: true } : { missing: 'not all definitions are established' };
  });
}

/** Applies the objects, with what the platform needs, without waiting for the workloads. */
export async function applyMesh(api: ClusterApi, values: PartialMeshValues): Promise<void> {
  const objects = renderMesh({
    ...((await platformOf(api)).name === 'local' ? { cni: { shareHostNetworkNamespace: true } } : {}),
    ...values,
  });
  const isDefinition = (object: KubernetesObject): boolean => object.kind === kinds.definition.kind;
  await applyDefinitions(api, objects.filter(isDefinition));
  const rest = objects.filter((object) => !isDefinition(object));
  for (const object of rest.filter(({ kind }) => kind === 'Namespace')) await api.apply(object);
  await Promise.all(rest.filter(({ kind }) => kind !== 'Namespace').map(async (object) => api.apply(object)));
}

/** Installs the mesh and waits until it runs. */
export async function install(api: ClusterApi, values: PartialMeshValues, timeoutMs: number): Promise<void> {
  const progress = startProgress('applying the objects of the mesh');
  await applyMesh(api, values);
  await waitForRollouts(api, meshWorkloads(values.namespace ?? 'istio-system'), timeoutMs, {
    onMissing: progress.update,
  });
  progress.done('control plane, node agent and node proxy are running');
}
