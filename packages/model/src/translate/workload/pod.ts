// Pod -> workload (spec control-plane 2.4). Called by model.ts once per pod that changed. Pure.
import type { Pod } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { ipBytes } from '../../ip.ts';
import { REGION, SUBZONE, ZONE } from '../../labels.ts';
import { HOST_NETWORK, UNHEALTHY, WORKLOAD_TYPE_POD, type WorkloadInit } from '../../wire.ts';
import { policiesOf } from '../authorization/attachment.ts';
import { canonicalFields, localityOf, networkFields, tunnelFields, waypointFields } from './shared-fields.ts';
import { servicesOfPod } from './membership.ts';
import { workloadNameOfPod } from './names.ts';
import { trustDomainOnWire } from './trust-domain.ts';

/** The workload of a pod; undefined while it has no readable address or after it has ended. */
export function workloadOfPod(view: View, pod: Pod): WorkloadInit | undefined {
  const addresses = addressesOf(pod);
  if (addresses === undefined) return undefined;
  const { namespace, name } = identityOf(pod);
  const labels = pod.metadata.labels ?? {};
  const services = servicesOfPod(view, pod);
  const locality = localityOfNode(view, pod.spec?.nodeName);
  return {
    uid: `${view.options.clusterId}//Pod/${namespace}/${name}`,
    name,
    namespace,
    addresses,
    clusterId: view.options.clusterId,
    node: pod.spec?.nodeName ?? '',
    serviceAccount: pod.spec?.serviceAccountName ?? '',
    trustDomain: trustDomainOnWire(view),
    status: isReady(pod) ? 0 : UNHEALTHY,
    networkMode: pod.spec?.hostNetwork === true ? HOST_NETWORK : 0,
    workloadType: WORKLOAD_TYPE_POD,
    services,
    authorizationPolicies: policiesOf(view, namespace, labels, Object.keys(services)),
    ...(locality && { locality }),
    ...networkFields(view, view.network()),
    ...tunnelFields(labels, pod.metadata.annotations ?? {}),
    ...canonicalFields(labels, workloadNameOfPod(pod.metadata)),
    ...waypointFields(view, namespace, labels),
  };
}

/** Addresses of a pod that can be published; undefined when there are none. */
function addressesOf(pod: Pod): Uint8Array[] | undefined {
  const { phase, podIP, podIPs } = pod.status ?? {};
  if (phase === 'Failed' || phase === 'Succeeded') return undefined;
  const texts = (podIPs ?? []).map((entry) => entry.ip ?? '').filter((ip) => ip !== '');
  if (texts.length === 0 && podIP !== undefined && podIP !== '') texts.push(podIP);
  const addresses: Uint8Array[] = [];
  for (const text of texts) {
    const bytes = ipBytes(text);
    if (bytes === undefined) return undefined;
    addresses.push(bytes);
  }
  return addresses.length === 0 ? undefined : addresses;
}

function isReady(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  return (pod.status?.conditions ?? []).find((c) => c.type === 'Ready')?.status === 'True';
}

function localityOfNode(view: View, nodeName: string | undefined): WorkloadInit['locality'] {
  if (nodeName === undefined) return undefined;
  const labels = view.get('Node', `/${nodeName}`)?.metadata.labels ?? {};
  return localityOf(labels[REGION], labels[ZONE], labels[SUBZONE]);
}
