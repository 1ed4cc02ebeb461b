// In: a cluster. Out: the trust domain of its mesh, from the ConfigMap that the control plane reads. Called by the waypoint commands.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';

/** Default `cluster.local`. */
export async function trustDomainOf(api: ClusterApi, istioNamespace: string): Promise<string> {
  const config = await api.get({ ...kinds.configMap, namespace: istioNamespace, name: 'istio' });
  const { mesh } = (config?.['data'] ?? {}) as { mesh?: string };
  if (mesh === undefined) return 'cluster.local';
  const { parse } = await import('yaml');
  const { trustDomain } = (parse(mesh) ?? {}) as { trustDomain?: unknown };
  return typeof trustDomain === 'string' && trustDomain !== '' ? trustDomain : 'cluster.local';
}
