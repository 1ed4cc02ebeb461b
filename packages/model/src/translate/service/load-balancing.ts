// Load balancing of a service (spec control-plane 2.9 W22, 1.4). In: spec fields and annotations. Out: a fresh message shape.
import type { View } from '../../index/view.ts';
import { type Labels, TRAFFIC_DISTRIBUTION } from '../../labels.ts';
import { ALLOW_ALL, LbMode, Scope, type ServiceInit } from '../../wire.ts';

type LoadBalancing = NonNullable<ServiceInit['loadBalancing']>;
type Distribution = 'same-zone' | 'same-node' | 'any';

/** Load balancing of a Kubernetes Service; undefined leaves the choice to the proxy. */
export function loadBalancingOfService(
  view: View,
  namespace: string,
  annotations: Labels,
  spec: { trafficDistribution?: string; internalTrafficPolicy?: string; publishNotReadyAddresses?: boolean },
): LoadBalancing | undefined {
  const chosen =
    spec.internalTrafficPolicy === 'Local'
      ? { mode: LbMode.STRICT, routingPreference: [Scope.NODE] }
      : presetOf(distributionOfSpec(spec.trafficDistribution) ?? distribution(view, namespace, annotations));
  if (spec.publishNotReadyAddresses !== true) return chosen;
  return { ...chosen, healthPolicy: ALLOW_ALL };
}

/** Load balancing of a ServiceEntry. */
export function loadBalancingOfServiceEntry(
  view: View,
  namespace: string,
  annotations: Labels,
  resolution: string,
): LoadBalancing | undefined {
  if (resolution === 'NONE') return { mode: LbMode.PASSTHROUGH, healthPolicy: ALLOW_ALL };
  return presetOf(distribution(view, namespace, annotations));
}

/** The spec field counts only when spelled exactly; an unknown value falls through to the annotations. */
function distributionOfSpec(text: string | undefined): Distribution | undefined {
  if (text === 'PreferClose' || text === 'PreferSameZone') return 'same-zone';
  return text === 'PreferSameNode' ? 'same-node' : undefined;
}

function distribution(view: View, namespace: string, annotations: Labels): Distribution {
  // An empty text is none.
  const text = annotations[TRAFFIC_DISTRIBUTION] || view.namespaceAnnotations(namespace)[TRAFFIC_DISTRIBUTION];
  switch (text?.toLowerCase()) {
    case 'preferclose':
    case 'prefersamezone':
      return 'same-zone';
    case 'prefersamenode':
      return 'same-node';
    default:
      return 'any';
  }
}

function presetOf(value: Distribution): LoadBalancing | undefined {
  if (value === 'any') return undefined;
  const zones = [Scope.NETWORK, Scope.REGION, Scope.ZONE];
  const routingPreference = value === 'same-zone' ? zones : [...zones, Scope.SUBZONE, Scope.NODE];
  return { mode: LbMode.FAILOVER, routingPreference };
}
