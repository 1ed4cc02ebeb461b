// A hostname -> the services that are published for it. Called by model.ts, once per hostname that changed.
import type { View } from '../../index/view.ts';
import type { ServiceInit, WorkloadInit } from '../../wire.ts';
import { type Binding, bindService, ingressUsesWaypoint } from '../waypoint/binding.ts';
import { remoteMembersOf } from '../workload/split-horizon.ts';
import type { ServiceDefinition } from './definition.ts';
import { winnersOf } from './winners.ts';

/** A published service and the waypoints that need its configuration. */
export interface PublishedService {
  readonly definition: ServiceDefinition;
  readonly message: ServiceInit;
  /** Workloads that stand for members in other networks. */
  readonly standIns: readonly WorkloadInit[];
  /** Keys of Gateways, at most two. */
  readonly waypoints: readonly string[];
}

/** All services of a hostname, one per namespace that defines it. */
export function servicesOf(view: View, hostname: string): PublishedService[] {
  const { byNamespace, canonical } = winnersOf(view, hostname);
  return [...byNamespace.values()].map((definition) => {
    const binding = bindService(view, definition, definition.isPrivate);
    const remote = remoteMembersOf(view, definition);
    return {
      definition,
      message: {
        ...definition.message,
        ...(remote.subjectAltNames.length > 0 && {
          subjectAltNames: [...new Set([...(definition.message.subjectAltNames ?? []), ...remote.subjectAltNames])],
        }),
        canonical: definition.namespace === canonical,
        ...waypointFields(binding),
        ...(binding.waypoint !== undefined && ingressUsesWaypoint(view, definition) && { ingressUseWaypoint: true }),
      },
      standIns: remote.workloads,
      waypoints: [binding.waypoint?.key, binding.canary?.waypoint.key].filter((key) => key !== undefined),
    };
  });
}

function waypointFields({ waypoint, canary }: Binding): Pick<ServiceInit, 'waypoint' | 'weightedWaypoints'> {
  if (waypoint?.address === undefined) return {};
  if (canary?.waypoint.address === undefined) return { waypoint: waypoint.address };
  return {
    waypoint: waypoint.address,
    weightedWaypoints: [
      { destination: waypoint.address, weight: 100 - canary.weight },
      { destination: canary.waypoint.address, weight: canary.weight },
    ],
  };
}
