// In: an object with its namespace and the waypoints. Out: which waypoint it uses, and which label on which object decided. Pure.
// Called by `waypoint explain`, `waypoint plan` and `explain`. Narrower wins: pod or service label before namespace label.
import type { KubernetesObject } from '@ambit/resources';
import { labels } from '../cluster/kinds.ts';
import { conditionOf, nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { isWaypoint, trafficTypeOf } from './gateway.ts';

/** The waypoint of an object, or why there is none. */
export type Binding =
  | { readonly kind: 'bound'; readonly waypoint: string; readonly decidedBy: string }
  | { readonly kind: 'none'; readonly decidedBy: string }
  | { readonly kind: 'broken'; readonly waypoint: string; readonly decidedBy: string; readonly reason: string };

/** Decides. `object` is a Pod, Service, ServiceEntry or WorkloadEntry. */
export function bindingOf(
  object: KubernetesObject,
  namespace: KubernetesObject | undefined,
  gateways: readonly KubernetesObject[],
): Binding {
  const isService = object.kind === 'Service' || object.kind === 'ServiceEntry';
  const own = object.metadata?.labels?.[labels.useWaypoint];
  const decider = own === undefined ? namespace : object;
  const name = own ?? namespace?.metadata?.labels?.[labels.useWaypoint];
  const decidedBy =
    decider === undefined || name === undefined
      ? 'no label istio.io/use-waypoint'
      : `${labels.useWaypoint}=${name} on ${own === undefined ? `Namespace ${nameOf(decider)}` : `${object.kind ?? ''} ${namespaceOf(object)}/${nameOf(object)}`}`;
  if (name === undefined || name === 'none') return { kind: 'none', decidedBy };
  const home = decider?.metadata?.labels?.[labels.useWaypointNamespace] ?? namespaceOf(object);
  const waypoint = `${home}/${name}`;
  const gateway = gateways.find(
    (candidate) => isWaypoint(candidate) && nameOf(candidate) === name && namespaceOf(candidate) === home,
  );
  const broken = (reason: string): Binding => ({ kind: 'broken', waypoint, decidedBy, reason });
  if (gateway === undefined) return broken('it does not exist');
  const programmed = conditionOf(gateway, 'Programmed');
  if (programmed?.status !== 'True') return broken(`it is not ready: ${programmed?.message ?? 'no status yet'}`);
  const { type } = trafficTypeOf(gateway);
  const wanted = isService ? 'service' : 'workload';
  if (type !== 'all' && type !== wanted) return broken(`it serves traffic to ${type}, not to ${wanted}s`);
  return { kind: 'bound', waypoint, decidedBy };
}
