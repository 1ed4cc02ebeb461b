// `ambit top`. In: what to look at and how long. Out: who talks to whom, the busiest services or workloads, or what node proxies cost; drawn
// again and again on a terminal, once elsewhere. Counters are read twice, or flows counted, so nothing has to be installed beside the mesh. Called by command.ts.
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenedCluster } from '../cluster/open.ts';
import { type Column, type Listing, listingTable, type OutputFlags, printListing } from '../output/print-listing.ts';
import { CliError } from '../errors.ts';
import { loadWorld } from '../explain/load-world.ts';
import type { Flow } from './access-line.ts';
import { agentListing, agentRows, readAgents } from './agents.ts';
import { followControlPlane } from './control-plane-flows.ts';
import { changesBetween, type CounterChange, type Edge, edgesBetween } from './edges.ts';
import { edgesOfFlows } from './flow-edges.ts';
import { metricsListing } from './metrics.ts';
import { type PolicyHits, policyHits } from './policy-hits.ts';
import { readTraffic } from './read-traffic.ts';
import { metricsOf, type MetricsTarget, targetsOf, type WorkloadMetrics } from './workload-metrics.ts';

/** What `top` can show. */
export type TopView = 'edges' | 'services' | 'workloads' | 'agents' | 'policies';

/** Options of the command. */
export interface TopOptions extends OutputFlags {
  readonly view: TopView;
  /** Count what the control plane streams instead of reading counters of the proxies. */
  readonly flows?: boolean;
  readonly intervalMs: number;
  readonly once: boolean;
  readonly sort: 'rate' | 'errors' | 'bytes';
  /** Only edges that lead there. */
  readonly namespace?: string;
}

const badness = (edge: Edge): number => edge.failed + edge.denied + edge.errors;

/** Chosen edges in the asked order. Pure. */
export function rankedEdges(edges: readonly Edge[], options: Pick<TopOptions, 'sort' | 'namespace'>): readonly Edge[] {
  const chosen = edges.filter(({ namespace }) => options.namespace === undefined || namespace === options.namespace);
  if (options.sort === 'errors') return chosen.toSorted((a, b) => badness(b) - badness(a));
  if (options.sort === 'bytes') return chosen.toSorted((a, b) => b.bytes - a.bytes);
  return chosen;
}

const perSecond = (count: number, seconds: number): string => (count === 0 ? '' : (count / seconds).toFixed(1));
const whole = (count: number): string => (count === 0 ? '' : String(count));

function columns(seconds: number): readonly Column<Edge>[] {
  return [
    { header: 'SOURCE', of: ({ source }) => source },
    { header: 'DESTINATION', of: ({ destination }) => destination },
    { header: 'CONN/S', of: ({ connections }) => perSecond(connections, seconds) },
    { header: 'REQ/S', of: ({ requests }) => perSecond(requests, seconds) },
    { header: 'BYTES/S', of: ({ bytes }) => (bytes === 0 ? '' : String(Math.round(bytes / seconds))) },
    { header: '5XX', of: ({ errors }) => whole(errors) },
    { header: 'FAILED', of: ({ failed }) => whole(failed) },
    { header: 'DENIED', of: ({ denied }) => whole(denied) },
    {
      header: 'MTLS',
      of: ({ connections, plaintext }) =>
        connections === 0 ? '' : plaintext === 0 ? 'yes' : plaintext === connections ? 'NO' : 'partly',
    },
  ];
}

/** A listing as text and in the forms of `-o`. */
interface Shown {
  readonly table: (flags: OutputFlags) => string;
  readonly print: (flags: OutputFlags) => Promise<void>;
  /** What could not be asked, or got lost. */
  readonly note: string;
}

const shown = <T>(listing: Listing<T>, note = ''): Shown => ({
  table: (flags) => (listing.rows.length === 0 ? (listing.empty ?? '') : listingTable(listing, flags)),
  print: async (flags) => printListing(listing, flags),
  note,
});

const edgeListing = (edges: readonly Edge[], seconds: number, options: TopOptions): Listing<Edge> => ({
  kind: 'EdgeList',
  rows: rankedEdges(edges, options),
  columns: columns(seconds),
  name: ({ source, destination }) => `edge/${source}->${destination}`,
  empty: `no traffic within ${seconds.toFixed(0)} s`,
});

/** Destinations of one kind with traffic between two readings, busiest first. Pure. */
export function busiest(
  changes: readonly CounterChange[],
  kind: MetricsTarget['kind'],
  options: Pick<TopOptions, 'sort' | 'namespace'>,
): readonly WorkloadMetrics[] {
  const rows = targetsOf(changes, kind)
    .filter(({ namespace }) => options.namespace === undefined || namespace === options.namespace)
    .map((target) => metricsOf(changes, target))
    .filter(({ requests, connections }) => requests + connections > 0);
  return options.sort === 'errors'
    ? rows.toSorted((a, b) => b.errors - a.errors)
    : rows.toSorted((a, b) => b.requests + b.connections - (a.requests + a.connections));
}

/** Something that is looked at again and again; the first look says where counting begins. */
type Look = (seconds: number) => Promise<Shown>;

async function lookAtCounters(api: OpenedCluster, options: TopOptions): Promise<Look> {
  let before = await readTraffic(api);
  return async (seconds) => {
    const after = await readTraffic(api);
    const [past, now] = [before.readings, after.readings];
    before = after;
    const note = after.silent.length === 0 ? '' : `no answer from ${after.silent.join(', ')}\n`;
    if (options.view === 'edges') return shown(edgeListing(edgesBetween(past, now), seconds, options), note);
    const kind = options.view === 'services' ? 'service' : 'workload';
    return shown(metricsListing(busiest(changesBetween(past, now), kind, options), seconds), note);
  };
}

async function lookAtAgents(api: OpenedCluster): Promise<Look> {
  let before = await readAgents(api);
  return async (seconds) => {
    const after = await readAgents(api);
    const rows = agentRows(before, after, seconds);
    before = after;
    return shown(agentListing(rows));
  };
}

/** Flows that one proxy may send each second; what is over is said. */
const MAX_FLOWS = 5000;

/** Flows since the last call, and how many were lost. */
type TakeFlows = () => { readonly flows: readonly Flow[]; readonly note: string };

/** Gathers what ends, as the control plane streams it. Rejects, when they are taken, with the reason why it cannot. */
function gatherFlows(api: OpenedCluster, options: TopOptions, signal: AbortSignal): TakeFlows {
  let [flows, lost]: [Flow[], number] = [[], 0];
  let failure: unknown;
  const receiver = { onFlow: (flow: Flow) => void flows.push(flow), onLost: (count: number) => void (lost += count) };
  followControlPlane(api, { namespace: options.namespace ?? '', maxPerSecond: MAX_FLOWS }, receiver, signal).then(
    (reason) => {
      if (reason !== true)
        failure = new CliError('ERR_CLI_REFUSED', 'flows cannot be watched through the control plane', {
          cause: new Error(reason),
          ...(options.flows === true ? { hint: 'leave --flows out: counters of the proxies are read then' } : {}),
        });
    },
    (error: unknown) => (failure = error),
  );
  return () => {
    if (failure !== undefined) throw failure;
    const [seen, missed] = [flows, lost];
    [flows, lost] = [[], 0];
    const note = missed === 0 ? '' : `${missed} flows were lost on the way: the figures are too low\n`;
    return { flows: seen, note };
  };
}

function lookAtFlows(take: TakeFlows, options: TopOptions): Look {
  return async (seconds) => {
    const { flows, note } = take();
    return shown(edgeListing(edgesOfFlows(flows), seconds, options), note);
  };
}

function policyListing(hits: readonly PolicyHits[], seconds: number): Listing<PolicyHits> {
  return {
    kind: 'PolicyTopList',
    rows: hits,
    name: ({ policy }) => `policy/${policy}`,
    empty: `no policy decided about anything that ended within ${seconds.toFixed(0)} s`,
    columns: [
      { header: 'POLICY', of: ({ policy }) => policy },
      { header: 'LAYER', of: ({ layer }) => layer },
      { header: 'ALLOWED/S', of: ({ allowed }) => perSecond(allowed, seconds) },
      { header: 'DENIED/S', of: ({ denied }) => perSecond(denied, seconds) },
      { header: 'DENIED', of: ({ denied }) => whole(denied) },
      { header: 'LAST', of: ({ last }) => last.slice(11, 19) },
    ],
  };
}

/** The policies are read anew with each look: the flows were decided by those of that time. */
function lookAtPolicies(api: OpenedCluster, take: TakeFlows, options: TopOptions): Look {
  return async (seconds) => {
    const { flows, note } = take();
    const hits = policyHits(await loadWorld(api), flows);
    const ranked = options.sort === 'errors' ? hits.toSorted((a, b) => b.denied - a.denied) : hits;
    return shown(policyListing(ranked, seconds), note);
  };
}

async function lookAt(api: OpenedCluster, options: TopOptions, signal: AbortSignal): Promise<Look> {
  if (options.flows === true) {
    if (options.view !== 'edges')
      throw new CliError('ERR_CLI_INVALID', `--flows does not go with ${options.view}`, { hint: 'ambit top --flows' });
    return lookAtFlows(gatherFlows(api, options, signal), options);
  }
  if (options.view === 'policies') return lookAtPolicies(api, gatherFlows(api, options, signal), options);
  return options.view === 'agents' ? lookAtAgents(api) : lookAtCounters(api, options);
}

/** Looks, waits, looks again and shows the difference, until `signal` ends it. */
export async function top(api: OpenedCluster, options: TopOptions, signal: AbortSignal): Promise<void> {
  const isLive = !options.once && options.output === 'table' && process.stdout.isTTY;
  const stop = new AbortController();
  const ending = AbortSignal.any([signal, stop.signal]);
  try {
    const look = await lookAt(api, options, ending);
    let atMs = performance.now();
    if (isLive) process.stdout.write('\u001b[?1049h');
    do {
      await delay(options.intervalMs, undefined, { signal });
      const seconds = (performance.now() - atMs) / 1000;
      atMs = performance.now();
      const { table, print, note } = await look(seconds);
      if (isLive) process.stdout.write(`\u001b[H\u001b[2J${table(options)}\n${note}`);
      else {
        await print(options);
        process.stderr.write(note);
      }
    } while (isLive);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
    if (isLive) process.stdout.write('\u001b[?1049l');
  }
}
