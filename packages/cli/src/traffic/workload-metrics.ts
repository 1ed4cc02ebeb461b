// In: counters of all proxies at two moments, and what is asked for. Out: requests, errors and times of each. Pure. Called by metrics.ts.
import type { CounterChange, Reading } from './edges.ts';
import type { Sample } from './samples.ts';

/** A workload, or a service with all that is behind it. */
export interface MetricsTarget {
  readonly kind: 'workload' | 'service';
  readonly namespace: string;
  readonly name: string;
}

/** What happened to a target within the interval. Times are milliseconds; undefined where no request was timed. */
export interface WorkloadMetrics {
  readonly target: MetricsTarget;
  readonly requests: number;
  /** Answered with 5xx. */
  readonly errors: number;
  readonly connections: number;
  readonly p50Ms: number | undefined;
  readonly p90Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

const suffixes = { workload: 'destination_workload', service: 'destination_service_name' } as const;
const namespaces = { workload: 'destination_workload_namespace', service: 'destination_service_namespace' } as const;

const isTo = ({ labels }: Sample, { kind, namespace, name }: MetricsTarget): boolean =>
  labels.get(suffixes[kind]) === name && labels.get(namespaces[kind]) === namespace;

/** The targets of one kind that counters speak of. */
export function targetsOf(changes: readonly CounterChange[], kind: MetricsTarget['kind']): readonly MetricsTarget[] {
  const targets = new Map<string, MetricsTarget>();
  for (const { sample } of changes) {
    const [name = 'unknown', namespace = 'unknown'] = [
      sample.labels.get(suffixes[kind]),
      sample.labels.get(namespaces[kind]),
    ];
    if (name !== 'unknown' && name !== '') targets.set(`${namespace}/${name}`, { kind, namespace, name });
  }
  return [...targets.values()];
}

/** Whether any proxy has ever counted something for a target. */
export const isCounted = (readings: readonly Reading[], target: MetricsTarget): boolean =>
  readings.some(({ samples }) => samples.some((sample) => isTo(sample, target)));

/**
 * The time that a share (0 to 1) of the requests stayed below, out of cumulative buckets: linear within a bucket, as Prometheus does it.
 * In the last, open bucket its lower bound. Undefined without requests.
 */
export function quantileOf(buckets: ReadonlyMap<number, number>, share: number): number | undefined {
  const sorted = [...buckets].toSorted(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total === 0) return undefined;
  const wanted = share * total;
  let [lower, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= wanted && count > below)
      return Number.isFinite(bound) ? lower + ((bound - lower) * (wanted - below)) / (count - below) : lower;
    if (Number.isFinite(bound)) lower = bound;
    below = count;
  }
  return lower;
}

const isFromSource = ({ sample }: CounterChange): boolean => sample.labels.get('reporter') === 'source';

/**
 * Sums the changes that concern a target. A request that passed a gateway and a waypoint counts once: at the waypoint, and at the gateway
 * only for targets that have none.
 */
export function metricsOf(changes: readonly CounterChange[], target: MetricsTarget): WorkloadMetrics {
  const [buckets, sums] = [new Map<number, number>(), { requests: 0, errors: 0, connections: 0 }];
  const own = changes.filter(({ sample }) => isTo(sample, target));
  const atDestination = own.filter((one) => !isFromSource(one));
  const isSeenThere = atDestination.some(({ sample }) => sample.name === 'istio_requests_total');
  for (const { sample, change } of isSeenThere ? atDestination : own) {
    const { name, labels } = sample;
    if (name === 'istio_requests_total') {
      sums.requests += change;
      if (labels.get('response_code')?.startsWith('5') === true) sums.errors += change;
    } else if (name === 'istio_request_duration_milliseconds_bucket') {
      const text = labels.get('le') ?? '';
      const bound = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
      if (!Number.isNaN(bound)) buckets.set(bound, (buckets.get(bound) ?? 0) + change);
    } else if (name === 'istio_tcp_connections_opened_total' && labels.get('reporter') === 'destination') {
      sums.connections += change;
    }
  }
  const at = (share: number): number | undefined => quantileOf(buckets, share);
  return { target, ...sums, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}
