// Which cluster this control plane serves. In: KUBECONFIG and what Kubernetes tells pods. Out: a way to its API. Called by main.ts.
import { existsSync } from 'node:fs';
import { type ApiAccess, inClusterAccess, kubeconfigAccess } from '@ambit/kube';
import type { ControlPlaneConfig } from './config.ts';

type Settings = Pick<ControlPlaneConfig, 'KUBECONFIG' | 'KUBERNETES_SERVICE_HOST' | 'KUBERNETES_SERVICE_PORT'>;

/**
 * A kubeconfig that exists wins. Inside a cluster a path without a file means the cluster around us: charts always name the path
 * of an optional Secret (spec control-plane 7.2). Throws KubeError ERR_KUBE_CONFIG.
 */
export async function clusterAccess(settings: Settings): Promise<ApiAccess> {
  const { KUBECONFIG: path, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = settings;
  const isInside = host !== undefined && (path === undefined || !existsSync(path));
  return isInside ? inClusterAccess({ host, port }) : kubeconfigAccess(path);
}
