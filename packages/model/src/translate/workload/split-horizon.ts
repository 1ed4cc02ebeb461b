// Members of global services in other networks (spec control-plane 2.13): they are not published themselves; one workload per
// network and service stands for them and leads through the network's gateway. Pure; called by units.ts per hostname.
import type { Service, WorkloadEntry } from '@ambit/resources';
import type { View } from '../../index/view.ts';
import { isSubset } from '../../labels.ts';
import { HBONE, WORKLOAD_TYPE_POD, type WorkloadInit } from '../../wire.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { isGlobal } from '../service/scope.ts';
import { destinationOfGateway, firstGatewayOf } from './network-gateway.ts';
import { trustDomainOnWire } from './trust-domain.ts';
import type { RemoteMember } from '../../remote/remote-cluster.ts';
import { labelsOfWorkloadEntry } from './workload-entry.ts';

/** What members in other networks add to a service. */
export interface RemoteMembers {
  /** One workload per network that has a gateway. */
  readonly workloads: readonly WorkloadInit[];
  /** SPIFFE ids of the members, sorted: clients expect one of them behind the gateway. */
  readonly subjectAltNames: readonly string[];
}

const NONE: RemoteMembers = { workloads: [], subjectAltNames: [] };

/** True for a workload of another network, which is not published. */
export function isRemote(view: View, network: string | undefined): boolean {
  return view.options.multiNetwork && network !== undefined && network !== '' && network !== view.network();
}

/** Remote members of a service; none unless it is a global Service. */
export function remoteMembersOf(view: View, definition: ServiceDefinition): RemoteMembers {
  if (!view.options.multiNetwork || definition.kind !== 'Service') return NONE;
  if (definition.isRemote !== true && !isGlobal(view, definition)) return NONE;
  const { namespace, name } = definition;
  const service = view.get('Service', `${namespace}/${name}`);
  const elsewhere = view.remoteMembers(definition.hostname).filter((member) => isRemote(view, member.network));
  const all = [...membersIn(view, service, namespace).map((entry) => memberOf(entry, namespace)), ...elsewhere];
  const members = new Map<string, RemoteMember[]>();
  for (const member of all) {
    const list = members.get(member.network);
    if (list === undefined) members.set(member.network, [member]);
    else list.push(member);
  }
  const ids = all.map(
    ({ namespace: ns, serviceAccount }) => `spiffe://${view.options.trustDomain}/ns/${ns}/sa/${serviceAccount}`,
  );
  return {
    subjectAltNames: [...new Set(ids)].toSorted(),
    workloads: [...members]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([network, entries]) => standIn(view, definition, network, entries))
      .filter((workload) => workload !== undefined),
  };
}

function membersIn(view: View, service: Service | undefined, namespace: string): WorkloadEntry[] {
  const selector = service?.spec?.selector ?? {};
  if (Object.keys(selector).length === 0 || !view.options.selectWorkloadEntriesByService) return [];
  return view
    .inNamespace('WorkloadEntry', namespace)
    .filter((entry) => isRemote(view, entry.spec?.network) && isSubset(selector, labelsOfWorkloadEntry(entry)));
}

function memberOf({ spec }: WorkloadEntry, namespace: string): RemoteMember {
  const { network = '', serviceAccount = '', weight = 1 } = spec ?? {};
  return { network, namespace, serviceAccount, capacity: Math.max(weight, 1) };
}

function standIn(
  view: View,
  { namespace, hostname, message }: ServiceDefinition,
  network: string,
  members: readonly RemoteMember[],
): WorkloadInit | undefined {
  const gateway = firstGatewayOf(view, network);
  if (gateway === undefined) return undefined;
  const uid = `${network}/SplitHorizonWorkload/${gateway.namespace}/${gateway.name}/${gateway.address}/${namespace}/${hostname}`;
  return {
    uid,
    name: uid,
    namespace,
    network,
    clusterId: gateway.clusterId ?? view.options.clusterId,
    trustDomain: trustDomainOnWire(view),
    workloadType: WORKLOAD_TYPE_POD,
    tunnelProtocol: HBONE,
    capacity: members.reduce((sum, { capacity }) => sum + capacity, 0),
    networkGateway: destinationOfGateway(gateway),
    services: { [`${namespace}/${hostname}`]: { ports: [...(message.ports ?? [])] } },
  };
}
