/** Who this waypoint is, for the proxies it opens tunnels to (spec/waypoint.md 1.2, 1.8). Pure; data thread. */
import type { Workload } from '@ambit/state';

/** The `baggage` of a workload: commas between, nothing escaped, absent keys left out. */
export const baggageOf = (workload: Workload): string => {
  const { locality } = workload;
  const pairs: readonly (readonly [string, string])[] = [
    ['k8s.cluster.name', workload.clusterId],
    ['k8s.namespace.name', workload.namespace],
    [`k8s.${workload.workloadType}.name`, workload.workloadName],
    ['service.name', workload.canonicalName],
    ['service.version', workload.canonicalRevision],
    ['cloud.region', locality.region],
    ['cloud.availability_zone', locality.zone],
  ];
  return pairs
    .filter(([, value]) => value !== '' && !value.includes(','))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
};
