/**
 * Labels that describe the two ends of a request (spec/waypoint.md 7.1). In: workload record or baggage. Out: label values.
 * Data thread; pure.
 */
import type { PeerFacts } from '@ambit/l7';
import type { Workload } from '@ambit/state';

/** The peer fields of Istio's metrics. */
export interface PeerLabels {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
}

const unknown = 'unknown';

/** Nothing is known. */
export const unknownPeer: PeerLabels = {
  workload: unknown,
  namespace: unknown,
  canonicalService: unknown,
  canonicalRevision: unknown,
  app: unknown,
  version: unknown,
  cluster: unknown,
};

/** From a workload record. */
export const labelsOfWorkload = (workload: Workload): PeerLabels => ({
  workload: workload.workloadName || unknown,
  namespace: workload.namespace || unknown,
  canonicalService: workload.canonicalName || unknown,
  canonicalRevision: workload.canonicalRevision || 'latest',
  app: workload.canonicalName || unknown,
  version: workload.canonicalRevision || 'latest',
  cluster: workload.clusterId || unknown,
});

/** Of the client: its record, else the tunnel's baggage; the namespace is always that of the certificate. */
export const sourceLabels = (
  workload: Workload | undefined,
  baggage: string | undefined,
  peer: PeerFacts,
): PeerLabels => {
  const labels = workload === undefined ? labelsOfBaggage(baggage) : labelsOfWorkload(workload);
  return { ...labels, namespace: peer.namespace ?? labels.namespace };
};

/** Longest baggage that is read. */
const maxBaggageLength = 4096;
const workloadKeys = ['deployment', 'cronjob', 'pod', 'job'].map((type) => `k8s.${type}.name`);

const labelsOfBaggage = (baggage: string | undefined): PeerLabels => {
  if (baggage === undefined || baggage.length > maxBaggageLength)
    return { ...unknownPeer, canonicalRevision: 'latest' };
  const values = new Map<string, string>();
  for (const item of baggage.split(',')) {
    const equals = item.indexOf('=');
    if (equals > 0) values.set(item.slice(0, equals).trim(), item.slice(equals + 1).trim());
  }
  const get = (key: string): string => values.get(key) || unknown;
  const revision = values.get('service.version') || 'latest';
  return {
    workload:
      workloadKeys.map((key) => values.get(key)).find((value) => value !== undefined && value !== '') ?? unknown,
    namespace: get('k8s.namespace.name'),
    canonicalService: get('service.name'),
    canonicalRevision: revision,
    app: get('service.name'),
    version: revision,
    cluster: get('k8s.cluster.name'),
  };
};
