// `ambit metrics WORKLOAD...` (`x metrics` of istioctl, without Prometheus). In: names, how long to look. Out: requests per second, errors and
// times of each, with istioctl's columns. Counters are read twice, through the API server. Called by command.ts.
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';
import { type Listing, type OutputFlags, printListing } from '../output/print-listing.ts';
import { changesBetween } from './edges.ts';
import { readTraffic } from './read-traffic.ts';
import { isCounted, metricsOf, type MetricsTarget, type WorkloadMetrics } from './workload-metrics.ts';

/** What a name asks for; `namespace` is for names without one. Throws ERR_CLI_INVALID for what has no metrics of its own. */
export function metricsTarget(text: string, namespace: string): MetricsTarget {
  const reference = parseReference(text);
  switch (reference.kind) {
    case 'service':
      return { kind: 'service', namespace: reference.namespace ?? namespace, name: reference.name };
    case 'deployment':
    case 'daemonset':
    case 'gateway':
    case 'any':
      return { kind: 'workload', namespace: reference.namespace ?? namespace, name: reference.name };
    default:
      throw new CliError('ERR_CLI_INVALID', `"${text}" has no metrics of its own`, {
        hint: 'name a workload (reviews-v1, deploy/reviews-v1) or a service (svc/reviews)',
      });
  }
}

const time = (ms: number | undefined): string => (ms === undefined ? '' : `${Math.round(ms)}ms`);
const labelOf = ({ target: { kind, namespace, name } }: WorkloadMetrics): string =>
  `${kind === 'service' ? 'svc/' : ''}${name}.${namespace}`;

/** What happened to workloads or services, with istioctl's columns. */
export function metricsListing(rows: readonly WorkloadMetrics[], seconds: number): Listing<WorkloadMetrics> {
  const rate = (count: number): string => (count / seconds).toFixed(3);
  return {
    kind: 'WorkloadMetricsList',
    rows,
    name: labelOf,
    empty: `no traffic within ${seconds.toFixed(0)} s`,
    columns: [
      { header: 'WORKLOAD', of: labelOf },
      { header: 'TOTAL RPS', of: ({ requests }) => rate(requests) },
      { header: 'ERROR RPS', of: ({ errors }) => rate(errors) },
      { header: 'P50 LATENCY', of: ({ p50Ms }) => time(p50Ms) },
      { header: 'P90 LATENCY', of: ({ p90Ms }) => time(p90Ms) },
      { header: 'P99 LATENCY', of: ({ p99Ms }) => time(p99Ms) },
      { header: 'CONN/S', of: ({ connections }) => rate(connections) },
    ],
  };
}

/** Reads, waits, reads again and prints. */
export async function metrics(
  api: OpenedCluster,
  names: readonly string[],
  flags: OutputFlags & { readonly intervalMs: number },
  signal: AbortSignal,
): Promise<void> {
  const targets = names.map((name) => metricsTarget(name, api.namespace));
  const before = await readTraffic(api);
  // A name that nobody has counted may be one that does not exist.
  for (const [index, target] of targets.entries())
    if (!isCounted(before.readings, target)) await resolvePods(api, parseReference(names[index] ?? ''), api.namespace);
  const startedMs = performance.now();
  await delay(flags.intervalMs, undefined, { signal });
  const after = await readTraffic(api);
  const seconds = (performance.now() - startedMs) / 1000;
  const changes = changesBetween(before.readings, after.readings);
  const rows = targets.map((target) => metricsOf(changes, target));
  await printListing(metricsListing(rows, seconds), flags);
  if (after.silent.length > 0) process.stderr.write(`no answer from ${after.silent.join(', ')}\n`);
}
