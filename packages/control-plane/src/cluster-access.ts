// Which cluster this control plane serves. In: KUBECONFIG and what Kubernetes tells pods. Out: a way to its API. Called by main.ts.
import { existsSync } from 'node:fs';
import { type ApiAccess, inClusterAccess, kubeconfigAccess, KubeError } from '@ambit/kube';
import type { ControlPlaneConfig } from './config.ts';

type Settings = Pick<ControlPlaneConfig, 'KUBECONFIG' | 'KUBERNETES_SERVICE_HOST' | 'KUBERNETES_SERVICE_PORT'>;

/**
 * Where Secrets of other clusters are read when that is not the cluster of {@link clusterAccess}: around this process, which serves a cluster
 * elsewhere. Throws KubeError ERR_KUBE_CONFIG.
 */
export async function secretsAccess(
  settings: Settings & Pick<ControlPlaneConfig, 'EXTERNAL_ISTIOD' | 'LOCAL_CLUSTER_SECRET_WATCHER'>,
): Promise<ApiAccess | undefined> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = settings;
  if (!settings.EXTERNAL_ISTIOD || !settings.LOCAL_CLUSTER_SECRET_WATCHER) return undefined;
  if (host !== undefined) return inClusterAccess({ host, port });
  throw new KubeError('ERR_KUBE_CONFIG', 'there is no cluster around this process to read Secrets in', {
    cause: new Error('LOCAL_CLUSTER_SECRET_WATCHER=true, and KUBERNETES_SERVICE_HOST is not set'),
    hint: 'run it in a pod, or name other clusters by Secrets of the cluster that it serves',
  });
}

/**
 * A kubeconfig that exists wins. Inside a cluster a path without a file means the cluster around us: charts always name the path
 * of an optional Secret (spec control-plane 7.2). Throws KubeError ERR_KUBE_CONFIG.
 */
export async function clusterAccess(settings: Settings): Promise<ApiAccess> {
  const { KUBECONFIG: path, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = settings;
  const isInside = host !== undefined && (path === undefined || !existsSync(path));
  return isInside ? inClusterAccess({ host, port }) : kubeconfigAccess(path);
}
