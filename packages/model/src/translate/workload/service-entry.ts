// Endpoints of a ServiceEntry -> workloads (spec control-plane 2.7). Pure.
import type { ServiceEntry, ServiceEntryEndpoint } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { ipBytes } from '../../ip.ts';
import { WORKLOAD_TYPE_POD, type WorkloadInit } from '../../wire.ts';
import { policiesOf } from '../authorization/attachment.ts';
import { winnersOf } from '../service/winners.ts';
import { canonicalFields, localityOfText, networkFields, tunnelFields, waypointFields } from './shared-fields.ts';
import { inOrder, serviceEntryTarget } from './membership.ts';
import { trustDomainOnWire } from './trust-domain.ts';

/** Most ports that the endpoints of one ServiceEntry may have together: what definitions of the kind allow at most is a thousand times more. */
export const MAX_PAIRS = 262_144;

const DNS_RESOLUTIONS = new Set(['DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']);

/** Workloads of a ServiceEntry: one per endpoint, or one per host when DNS stands in for endpoints. */
export function workloadsOfServiceEntry(view: View, entry: ServiceEntry): WorkloadInit[] {
  const spec = entry.spec ?? {};
  const { namespace, name } = identityOf(entry);
  const hosts = (spec.hosts ?? []).filter((host) => {
    const winner = winnersOf(view, host).byNamespace.get(namespace);
    return winner?.kind === 'ServiceEntry' && winner.name === name;
  });
  if (hosts.length === 0) return [];
  const endpoints = spec.endpoints ?? [];
  const pairs = hosts.length * (spec.ports ?? []).length * Math.max(endpoints.length, 1);
  if (pairs > MAX_PAIRS)
    throw new RangeError(`hosts x ports x endpoints are ${pairs}; a ServiceEntry may have at most ${MAX_PAIRS}`);
  if (endpoints.length > 0) return endpoints.map((e) => workload(view, entry, e, hosts, true));
  if (spec.workloadSelector !== undefined || !DNS_RESOLUTIONS.has(spec.resolution ?? 'NONE')) return [];
  return hosts.map((host) => workload(view, entry, { address: host }, [host], false));
}

function workload(
  view: View,
  entry: ServiceEntry,
  endpoint: ServiceEntryEndpoint,
  hosts: readonly string[],
  isExplicit: boolean,
): WorkloadInit {
  const { namespace, name } = identityOf(entry);
  const labels = entry.metadata.labels ?? {};
  const address = endpoint.address ?? '';
  const bytes = ipBytes(address);
  const ports = (entry.spec?.ports ?? []).map((port) => ({
    servicePort: port.number,
    targetPort: serviceEntryTarget(endpoint.ports ?? {}, port),
  }));
  const services = inOrder(new Map(hosts.map((host) => [`${namespace}/${host}`, ports])));
  const locality = localityOfText(endpoint.locality);
  return {
    uid: `${view.options.clusterId}/networking.istio.io/ServiceEntry/${namespace}/${name}/${address}`,
    name,
    namespace,
    clusterId: view.options.clusterId,
    serviceAccount: endpoint.serviceAccount ?? '',
    trustDomain: trustDomainOnWire(view),
    workloadType: WORKLOAD_TYPE_POD,
    services,
    authorizationPolicies: policiesOf(view, namespace, labels, Object.keys(services)),
    ...(bytes === undefined ? { hostname: address } : { addresses: [bytes] }),
    ...((endpoint.weight ?? 0) > 0 && { capacity: endpoint.weight }),
    ...(locality && { locality }),
    // Each endpoint stands for itself: upstream lets an endpoint inherit the network of the one before it.
    ...networkFields(view, endpoint.network || view.network()),
    ...tunnelFields(labels, entry.metadata.annotations ?? {}),
    ...canonicalFields(labels, name),
    ...(isExplicit ? waypointFields(view, namespace, endpoint.labels ?? {}) : {}),
  };
}
