/**
 * Where an endpoint stands for this waypoint: which priority it belongs to, or which part of the traffic its locality gets
 * (spec/waypoint.md 5.5; DestinationRule `localityLbSetting`, Service `trafficDistribution`). In: settings and two workloads. Out: a
 * place, or none for endpoints that get nothing. Pure; called by candidates.ts.
 */
import type { Backend, LocalityLb } from '@ambit/proto/waypoint';
import { rankOf, type Service, type Workload } from '@ambit/state';

/** A part of the traffic that several endpoints share. */
export interface Portion {
  readonly name: string;
  readonly weight: number;
}

/** Where an endpoint stands. */
export interface Place {
  /** 0 is the best; numbers may have gaps. */
  readonly priority: number;
  readonly portion: Portion | undefined;
}

/** Places the endpoints of a backend. */
export type Placing = (endpoint: Workload) => Place | undefined;

const everywhere: Place = { priority: 0, portion: undefined };
const same: Placing = () => everywhere;

/** The placing of a backend as seen from `self`; without it, and without a locality of it, all endpoints are the same. */
export const placingOf = (backend: Backend, service: Service, self: Workload | undefined): Placing => {
  const { locality, outlier } = backend;
  if (self === undefined) return same;
  if (locality !== undefined) {
    if (!locality.enabled) return same;
    const from = locality.distribute.find((rule) => isIn(rule.from, self));
    if (from !== undefined) return distributed(from.to);
    if (locality.distribute.length > 0) return same;
    if (outlier === undefined && !locality.forceFailover) return same;
    return failover(locality, self);
  }
  const balancer = service.loadBalancer;
  if (balancer !== undefined && (balancer.mode === 'FAILOVER' || balancer.mode === 'STRICT'))
    return preferred(balancer.routingPreferences, balancer.mode === 'STRICT', self);
  // The mesh has it on by default, for backends whose endpoints may turn out to be ill.
  return outlier === undefined || self.locality.region === '' ? same : byRegion([], self);
};

const preferred =
  (
    preferences: NonNullable<Service['loadBalancer']>['routingPreferences'],
    isStrict: boolean,
    self: Workload,
  ): Placing =>
  (endpoint) => {
    const { rank, matched } = rankOf(self, endpoint, preferences);
    if (isStrict && matched < preferences.length) return undefined;
    return { priority: preferences.length * 2 - rank, portion: undefined };
  };

const failover = ({ failover: rules, priorityLabels }: LocalityLb, self: Workload): Placing => {
  if (priorityLabels.length === 0) return self.locality.region === '' ? same : byRegion(rules, self);
  return (endpoint) => {
    let matched = 0;
    for (const label of priorityLabels) {
      if (!hasLabel(endpoint, self, label)) break;
      matched += 1;
    }
    return { priority: priorityLabels.length - matched, portion: undefined };
  };
};

const byRegion =
  (rules: readonly { readonly from: string; readonly to: string }[], self: Workload): Placing =>
  ({ locality }) => {
    const own = self.locality;
    const to = rules.find(({ from }) => from === own.region)?.to;
    const far = to === undefined || to === locality.region ? 3 : 4;
    const isZone = locality.zone === own.zone;
    const near = isZone ? (locality.subzone === own.subzone ? 0 : 1) : 2;
    return { priority: locality.region === own.region ? near : far, portion: undefined };
  };

/** What is known of the labels of workloads: WDS carries those of the topology only. */
const labels: Readonly<Record<string, (workload: Workload) => string>> = {
  'topology.istio.io/network': ({ network }) => network,
  'topology.kubernetes.io/region': ({ locality }) => locality.region,
  'topology.kubernetes.io/zone': ({ locality }) => locality.zone,
  'topology.istio.io/subzone': ({ locality }) => locality.subzone,
  'topology.istio.io/cluster': ({ clusterId }) => clusterId,
  'kubernetes.io/hostname': ({ node }) => node,
};

/** `key` asks for the own value, `key=value` for that one. A label that nobody knows is on no endpoint. */
const hasLabel = (endpoint: Workload, self: Workload, label: string): boolean => {
  const [key = '', value] = label.split('=', 2);
  const read = Object.hasOwn(labels, key) ? labels[key] : undefined;
  return read !== undefined && read(endpoint) === (value ?? read(self));
};

const distributed = (to: Readonly<Record<string, number>>): Placing => {
  const portions = Object.entries(to).map(([name, weight]) => ({ name, weight }));
  return (endpoint) => {
    const portion = portions.find(({ name }) => isIn(name, endpoint));
    return portion === undefined || portion.weight === 0 ? undefined : { priority: 0, portion };
  };
};

/** `region`, `region/zone`, `region/zone/subzone`; `*` stands for anything. */
const isIn = (pattern: string, { locality }: Workload): boolean => {
  const parts = pattern.split('/');
  const own = [locality.region, locality.zone, locality.subzone];
  return parts.length <= own.length && parts.every((part, index) => part === '*' || part === own[index]);
};
