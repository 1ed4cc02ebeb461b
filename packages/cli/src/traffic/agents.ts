// `ambit top agents`. In: metrics of the node proxies at two moments. Out: what each costs its node and carries. Called by top.ts.
import { nodeOf, nodeProxies } from '../agent/choose.ts';
import { nameOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { sampleOf } from '../node/samples.ts';
import type { Listing } from '../output/print-listing.ts';
import { versionOf } from '../version/versions.ts';
import { samplesOf } from './samples.ts';
import { quantileOf } from './workload-metrics.ts';

const lagMetric = 'ambit_agent_eventloop_lag_seconds_bucket';

/** What one node proxy said. */
export interface AgentReading {
  readonly node: string;
  readonly pod: string;
  readonly version: string;
  /** Empty where it did not answer. */
  readonly text: string;
}

/** One row. Absent figures: it did not answer, or is of another make. */
export interface AgentRow {
  readonly node: string;
  readonly pod: string;
  readonly version: string;
  readonly memoryMiB?: number;
  /** Share of one core, in percent. */
  readonly cpuPercent?: number;
  readonly lagP99Ms?: number;
  readonly sockets?: number;
  readonly pods?: number;
  /** Series of its metrics. */
  readonly series: number;
}

/** Asks all node proxies. */
export async function readAgents(api: OpenedCluster): Promise<readonly AgentReading[]> {
  return Promise.all(
    (await nodeProxies(api, api.istioNamespace)).map(async (pod) => {
      const answer = await api
        .askPod({ namespace: api.istioNamespace, name: nameOf(pod), port: 15_020, path: '/metrics' })
        .catch(() => ({ status: 0, body: '' }));
      return {
        node: nodeOf(pod),
        pod: nameOf(pod),
        version: versionOf(pod),
        text: answer.status === 200 ? answer.body : '',
      };
    }),
  );
}

/** Observations per bucket, all threads together. */
function lagBuckets(text: string): ReadonlyMap<number, number> {
  const buckets = new Map<number, number>();
  for (const { labels, value } of samplesOf(text, new Set([lagMetric]))) {
    const bound = labels.get('le') === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.get('le'));
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return buckets;
}

/** Rows from two readings, `seconds` apart, heaviest first. A proxy that restarted in between counts from zero. Pure. */
export function agentRows(
  before: readonly AgentReading[],
  after: readonly AgentReading[],
  seconds: number,
): readonly AgentRow[] {
  return after
    .map(({ node, pod, version, text }): AgentRow => {
      const earlier = before.find((one) => one.pod === pod)?.text ?? '';
      const grown = (name: string): number | undefined => {
        const [now, then = 0] = [sampleOf(text, name), sampleOf(earlier, name)];
        return now === undefined ? undefined : now < then ? now : now - then;
      };
      const cpu = grown('process_cpu_seconds_total');
      const past = lagBuckets(earlier);
      const lag = quantileOf(
        new Map([...lagBuckets(text)].map(([bound, value]) => [bound, Math.max(0, value - (past.get(bound) ?? 0))])),
        0.99,
      );
      const memory = sampleOf(text, 'process_resident_memory_bytes');
      const sockets = sampleOf(text, 'istio_tcp_sockets_open');
      const pods = sampleOf(text, 'workload_manager_active_proxy_count');
      return {
        node,
        pod,
        version,
        ...(memory === undefined ? {} : { memoryMiB: Math.round(memory / 1024 / 1024) }),
        ...(cpu === undefined || earlier === '' ? {} : { cpuPercent: Math.round((100 * cpu) / seconds) }),
        ...(lag === undefined ? {} : { lagP99Ms: Math.round(lag * 1000 * 10) / 10 }),
        ...(sockets === undefined ? {} : { sockets }),
        ...(pods === undefined ? {} : { pods }),
        series: text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length,
      };
    })
    .toSorted((a, b) => (b.cpuPercent ?? 0) - (a.cpuPercent ?? 0) || (a.node < b.node ? -1 : 1));
}

const figure = (value: number | undefined): string => (value === undefined ? '' : String(value));

/** The rows as a table. */
export const agentListing = (rows: readonly AgentRow[]): Listing<AgentRow> => ({
  kind: 'AgentTopList',
  rows,
  name: ({ pod }) => `pod/${pod}`,
  empty: 'there is no node proxy',
  columns: [
    { header: 'NODE', of: ({ node }) => node },
    { header: 'POD', of: ({ pod }) => pod, wide: true },
    { header: 'VERSION', of: ({ version }) => version },
    { header: 'CPU %', of: ({ cpuPercent }) => figure(cpuPercent) },
    { header: 'RSS MIB', of: ({ memoryMiB }) => figure(memoryMiB) },
    { header: 'LAG P99 MS', of: ({ lagP99Ms }) => figure(lagP99Ms) },
    { header: 'PODS', of: ({ pods }) => figure(pods) },
    { header: 'SOCKETS', of: ({ sockets }) => figure(sockets) },
    { header: 'SERIES', of: ({ series }) => figure(series) },
  ],
});
