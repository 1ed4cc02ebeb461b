// `ambit top`. In: how long to look. Out: who talks to whom, how often and how badly; drawn again and again on a terminal, once elsewhere.
// Counters are read twice, so nothing has to be installed beside the mesh. Called by command.ts.
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenedCluster } from '../cluster/open.ts';
import { type Column, type Listing, listingTable, type OutputFlags, printListing } from '../output/print-listing.ts';
import { type Edge, edgesBetween } from './edges.ts';
import { readTraffic, type Traffic } from './read-traffic.ts';

/** Options of the command. */
export interface TopOptions extends OutputFlags {
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

function listingOf(before: Traffic, after: Traffic, seconds: number, options: TopOptions): Listing<Edge> {
  return {
    kind: 'EdgeList',
    rows: rankedEdges(edgesBetween(before.readings, after.readings), options),
    columns: columns(seconds),
    name: ({ source, destination }) => `edge/${source}->${destination}`,
    empty: `no traffic within ${seconds.toFixed(0)} s`,
  };
}

/** Reads, waits, reads again and shows the difference, until `signal` ends it. */
export async function top(api: OpenedCluster, options: TopOptions, signal: AbortSignal): Promise<void> {
  const isLive = !options.once && options.output === 'table' && process.stdout.isTTY;
  let before = await readTraffic(api);
  let atMs = performance.now();
  try {
    if (isLive) process.stdout.write('\u001b[?1049h');
    do {
      await delay(options.intervalMs, undefined, { signal });
      const after = await readTraffic(api);
      const seconds = (performance.now() - atMs) / 1000;
      atMs = performance.now();
      const listing = listingOf(before, after, seconds, options);
      before = after;
      const silent = after.silent.length === 0 ? '' : `no answer from ${after.silent.join(', ')}\n`;
      if (!isLive) {
        await printListing(listing, options);
        process.stderr.write(silent);
      } else process.stdout.write(`\u001b[H\u001b[2J${listingTable(listing, options)}\n${silent}`);
    } while (isLive);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (isLive) process.stdout.write('\u001b[?1049l');
  }
}
