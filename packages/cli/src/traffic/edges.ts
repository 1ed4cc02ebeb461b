// In: counters of all proxies at two moments. Out: who talked to whom in between. Pure. Called by top.ts, flow-edges.ts and workload-metrics.ts.
import type { Sample } from './samples.ts';

/** What is read of the proxies. */
export const trafficMetrics: ReadonlySet<string> = new Set([
  'istio_tcp_connections_opened_total',
  'istio_tcp_connections_failed_total',
  'istio_tcp_received_bytes_total',
  'istio_tcp_sent_bytes_total',
  'istio_requests_total',
  'istio_request_duration_milliseconds_bucket',
]);

/** Counters of one process; a restarted process counts from zero. */
export interface Reading {
  /** Name of the pod. */
  readonly pod: string;
  readonly samples: readonly Sample[];
}

/** One workload talking to one service, or to a workload that was addressed directly. Counts are of the interval. */
export interface Edge {
  readonly namespace: string;
  readonly source: string;
  readonly destination: string;
  connections: number;
  failed: number;
  /** Refused by a policy at the destination. */
  denied: number;
  requests: number;
  /** Requests answered with 5xx. */
  errors: number;
  bytes: number;
  /** Connections that were not encrypted. */
  plaintext: number;
}

type EdgeEnds = Pick<Edge, 'namespace' | 'source' | 'destination'>;

/** Edges by their ends, while they are counted. */
export class EdgeTable {
  readonly #edges = new Map<string, Edge>();

  /** The edge to count at; a new one is all zero. */
  between(ends: EdgeEnds): Edge {
    const key = `${ends.source}\u001f${ends.destination}`;
    const known = this.#edges.get(key);
    if (known !== undefined) return known;
    const made = { ...ends, connections: 0, failed: 0, denied: 0, requests: 0, errors: 0, bytes: 0, plaintext: 0 };
    this.#edges.set(key, made);
    return made;
  }

  /** Those with traffic. */
  busiestFirst(): readonly Edge[] {
    return [...this.#edges.values()]
      .filter((edge) => edge.connections + edge.failed + edge.denied + edge.requests + edge.bytes > 0)
      .toSorted((a, b) => b.requests + b.connections - (a.requests + a.connections) || b.bytes - a.bytes);
  }
}

const keyOf = (pod: string, { name, labels }: Sample): string =>
  [pod, name, ...[...labels].map(([label, value]) => `${label}=${value}`).toSorted()].join('\u001f');

const known = (value: string | undefined): string => (value === undefined || value === 'unknown' ? '' : value);

function endsOf({ labels }: Sample): EdgeEnds {
  const of = (name: string): string => known(labels.get(name));
  const named = (namespace: string, name: string): string => (name === '' ? 'unknown' : `${namespace}/${name}`);
  const service = of('destination_service_name');
  return {
    namespace: service === '' ? of('destination_workload_namespace') : of('destination_service_namespace'),
    source: named(of('source_workload_namespace'), of('source_workload')),
    destination:
      service === ''
        ? named(of('destination_workload_namespace'), of('destination_workload'))
        : named(of('destination_service_namespace'), service),
  };
}

/** Adds the change of one counter to its edge. Each connection counts once: at its source, refusals at the destination. */
function count(edge: Edge, { name, labels }: Sample, change: number): void {
  const reporter = labels.get('reporter');
  const isDenied = labels.get('response_flags') === 'DENY';
  if (name === 'istio_requests_total') {
    edge.requests += change;
    if (labels.get('response_code')?.startsWith('5') === true) edge.errors += change;
  } else if (name === 'istio_tcp_connections_failed_total') {
    if (reporter === 'source') edge.failed += change;
    else if (isDenied) edge.denied += change;
  } else if (reporter === 'source') {
    if (name === 'istio_tcp_connections_opened_total') {
      edge.connections += change;
      if (labels.get('connection_security_policy') !== 'mutual_tls') edge.plaintext += change;
    } else if (name === 'istio_tcp_received_bytes_total' || name === 'istio_tcp_sent_bytes_total') edge.bytes += change;
  }
}

/** By how much a counter grew. */
export interface CounterChange {
  readonly sample: Sample;
  readonly change: number;
}

/** Counters that grew between two readings. A process that was not there before counts from zero. */
export function changesBetween(before: readonly Reading[], after: readonly Reading[]): readonly CounterChange[] {
  const counted = new Map(
    before.flatMap(({ pod, samples }) => samples.map((sample) => [keyOf(pod, sample), sample.value])),
  );
  return after
    .flatMap(({ pod, samples }) =>
      samples.map((sample) => {
        const last = counted.get(keyOf(pod, sample)) ?? 0;
        return { sample, change: sample.value < last ? sample.value : sample.value - last };
      }),
    )
    .filter(({ change }) => change !== 0);
}

/** Edges with traffic between two readings, busiest first. */
export function edgesBetween(before: readonly Reading[], after: readonly Reading[]): readonly Edge[] {
  const edges = new EdgeTable();
  for (const { sample, change } of changesBetween(before, after)) count(edges.between(endsOf(sample)), sample, change);
  return edges.busiestFirst();
}
