// In: the nodes of a cluster. Out: the platform, as `global.platform` names it, and what differs there. Pure but for the listing.
// Called by install.ts, uninstall.ts and check.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { specOf, statusOf } from '../cluster/object-fields.ts';

/** Container runtime that the nodes of a local cluster report. */
const localRuntime = 'ambit://';

/** What is known of a platform. */
export interface Platform {
  /** Name in `global.platform`; `generic` when nothing special is needed. */
  readonly name: 'generic' | 'gke' | 'k3s' | 'k3d' | 'microk8s' | 'minikube' | 'openshift' | 'local';
  readonly cniBinDir: string;
  readonly cniConfDir: string;
}

const usual = { cniBinDir: '/opt/cni/bin', cniConfDir: '/etc/cni/net.d' };
const k3s = { cniBinDir: '/var/lib/rancher/k3s/data/cni', cniConfDir: '/var/lib/rancher/k3s/agent/etc/cni/net.d' };

interface NodeInfo {
  readonly containerRuntimeVersion?: string;
  readonly kubeletVersion?: string;
  readonly osImage?: string;
}

/** Recognises the platform from what the nodes say of themselves. Pure. */
export function detectPlatform(nodes: readonly KubernetesObject[]): Platform {
  const facts = nodes.map((node) => ({
    info: (statusOf(node)['nodeInfo'] ?? {}) as NodeInfo,
    provider: (specOf(node) as { providerID?: string }).providerID ?? '',
    labels: node.metadata?.labels ?? {},
  }));
  const some = (test: (fact: (typeof facts)[number]) => boolean): boolean => facts.some(test);
  if (some(({ info }) => info.containerRuntimeVersion?.startsWith(localRuntime) === true))
    return { name: 'local', ...usual };
  if (some(({ info }) => info.kubeletVersion?.includes('-gke.') === true))
    return { name: 'gke', ...usual, cniBinDir: '/home/kubernetes/bin' };
  if (some(({ labels }) => 'node.openshift.io/os_id' in labels))
    return { name: 'openshift', cniBinDir: '/var/lib/cni/bin', cniConfDir: '/etc/cni/multus/net.d' };
  if (some(({ labels }) => 'minikube.k8s.io/name' in labels)) return { name: 'minikube', ...usual };
  if (some(({ labels }) => 'microk8s.io/cluster' in labels))
    return {
      name: 'microk8s',
      cniBinDir: '/var/snap/microk8s/current/opt/cni/bin',
      cniConfDir: '/var/snap/microk8s/current/args/cni-network',
    };
  if (some(({ provider, info }) => provider.startsWith('k3s://') && (info.osImage ?? '').includes('K3s')))
    return { name: 'k3d', cniBinDir: '/bin', cniConfDir: k3s.cniConfDir };
  if (some(({ info }) => info.kubeletVersion?.includes('+k3s') === true)) return { name: 'k3s', ...k3s };
  return { name: 'generic', ...usual };
}

/** The platform of a cluster. */
export const platformOf = async (api: ClusterApi): Promise<Platform> => detectPlatform(await api.list(kinds.node));
