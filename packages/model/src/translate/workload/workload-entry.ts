// WorkloadEntry -> workload (spec control-plane 2.6). Pure.
import type { WorkloadEntry } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { ipBytes } from '../../ip.ts';
import type { Labels } from '../../labels.ts';
import { WORKLOAD_TYPE_POD, type WorkloadInit } from '../../wire.ts';
import { policiesOf } from '../authorization/attachment.ts';
import { canonicalFields, localityOfText, networkFields, tunnelFields, waypointFields } from './shared-fields.ts';
import { servicesOfWorkloadEntry } from './membership.ts';
import { trustDomainOnWire } from './trust-domain.ts';

/** Labels of a WorkloadEntry: those of its metadata win over those of its spec. */
export function labelsOfWorkloadEntry(entry: WorkloadEntry): Labels {
  return { ...entry.spec?.labels, ...entry.metadata.labels };
}

/** The workload of a WorkloadEntry. */
export function workloadOfWorkloadEntry(view: View, entry: WorkloadEntry): WorkloadInit {
  const { namespace, name } = identityOf(entry);
  const spec = entry.spec ?? {};
  const labels = labelsOfWorkloadEntry(entry);
  const annotations = entry.metadata.annotations ?? {};
  const bytes = ipBytes(spec.address);
  const services = servicesOfWorkloadEntry(view, namespace, labels, spec.ports ?? {});
  const locality = localityOfText(spec.locality);
  const workloadName =
    annotations['istio.io/autoRegistrationGroup'] ?? labels['service.istio.io/workload-name'] ?? name;
  return {
    uid: `${view.options.clusterId}/networking.istio.io/WorkloadEntry/${namespace}/${name}`,
    name,
    namespace,
    clusterId: view.options.clusterId,
    serviceAccount: spec.serviceAccount ?? '',
    trustDomain: trustDomainOnWire(view),
    workloadType: WORKLOAD_TYPE_POD,
    services,
    authorizationPolicies: policiesOf(view, namespace, labels, Object.keys(services)),
    ...(bytes === undefined ? { hostname: spec.address ?? '' } : { addresses: [bytes] }),
    ...((spec.weight ?? 0) > 0 && { capacity: spec.weight }),
    ...(locality && { locality }),
    ...networkFields(view, spec.network || view.network()),
    ...tunnelFields(labels, annotations),
    ...canonicalFields(labels, workloadName),
    ...waypointFields(view, namespace, labels),
  };
}
