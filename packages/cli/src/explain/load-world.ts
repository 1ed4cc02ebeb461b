// In: a cluster. Out: its world. Called by explain and the policy commands.
import type { KubernetesObject } from '@ambit/resources';
import { type KindName, kindTable as knownKinds } from '@ambit/resources/kind-table';
import { kinds } from '../cluster/kinds.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { type World, worldKinds, worldOf } from './world.ts';

/** Every object that the translation reads. */
export async function worldObjects(api: OpenedCluster): Promise<readonly KubernetesObject[]> {
  const lists = await Promise.all(
    worldKinds.map(async (name) => {
      const { group, version, kind } = knownKinds[name as KindName];
      return api.list({ apiVersion: group === '' ? version : `${group}/${version}`, kind });
    }),
  );
  return lists.flat();
}

/** The mesh configuration of the cluster, parsed. */
export async function meshConfigOf(api: OpenedCluster): Promise<Readonly<Record<string, unknown>>> {
  const map = await api.get({ ...kinds.configMap, namespace: api.istioNamespace, name: 'istio' });
  const { mesh } = (map?.['data'] ?? {}) as { mesh?: string };
  if (mesh === undefined) return {};
  const { parse } = await import('yaml');
  return (parse(mesh) ?? {}) as Record<string, unknown>;
}

/** Reads the cluster. */
export async function loadWorld(api: OpenedCluster): Promise<World> {
  const [objects, mesh] = await Promise.all([worldObjects(api), meshConfigOf(api)]);
  return worldOf(objects, mesh, api.istioNamespace);
}
