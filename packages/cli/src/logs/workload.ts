// `ambit logs`. In: a workload. Out: the lines of its containers, of the node proxies that carried its traffic and of the waypoints in
// between, in order of time; with a connection id only what belongs to it. Called by command.ts.
import type { KubernetesObject } from '@ambit/resources';
import { nodeProxies } from '../agent/choose.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';

/** A line with where and when it was written; without a time it follows the line before. */
export interface LogLine {
  readonly from: string;
  readonly time: string;
  readonly text: string;
}

const isTime = (word: string): boolean =>
  word.length >= 20 && word[4] === '-' && word[10] === 'T' && !Number.isNaN(Date.parse(word));

/** Reads the time at the beginning of each line, text or JSON. Pure. */
export function logLines(from: string, text: string): readonly LogLine[] {
  let time = '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const quote = line.indexOf('"time":"');
      const word =
        quote >= 0 ? line.slice(quote + 8, line.indexOf('"', quote + 8)) : (line.split('\t')[0] ?? '').split(' ')[0];
      if (word !== undefined && isTime(word)) time = word;
      return { from, time, text: line };
    });
}

/** Lines in order of time, lines of one source in their own order. Pure. */
export const mergedLines = (sources: readonly (readonly LogLine[])[]): readonly LogLine[] =>
  sources.flat().toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));

/** Flags of the command. */
export interface LogsFlags {
  readonly since: string;
  readonly connection?: string;
  readonly denied?: boolean;
}

async function logOf(api: OpenedCluster, pod: KubernetesObject, sinceSeconds: number): Promise<readonly LogLine[]> {
  const text = await api.podLog({ namespace: namespaceOf(pod), name: nameOf(pod), sinceSeconds }).catch(() => '');
  return logLines(`${namespaceOf(pod)}/${nameOf(pod)}`, text);
}

/** Prints the lines. */
export async function workloadLogs(
  api: OpenedCluster,
  reference: string,
  flags: LogsFlags,
  sinceSeconds: number,
): Promise<void> {
  const pods = await resolvePods(api, parseReference(reference), api.namespace);
  const names = pods.map(nameOf);
  const [proxies, waypoints] = await Promise.all([
    nodeProxies(api, api.istioNamespace),
    api.list(kinds.pod, { labelSelector: 'gateway.networking.k8s.io/gateway-class-name=istio-waypoint' }),
  ]);
  const own = await Promise.all(pods.map(async (pod) => logOf(api, pod, sinceSeconds)));
  const carriers = await Promise.all([...proxies, ...waypoints].map(async (pod) => logOf(api, pod, sinceSeconds)));
  const about = carriers.map((lines) => lines.filter(({ text }) => names.some((name) => text.includes(name))));
  const lines = mergedLines([...(flags.connection === undefined && flags.denied !== true ? own : []), ...about])
    .filter(({ text }) => flags.connection === undefined || text.includes(flags.connection))
    .filter(({ text }) => flags.denied !== true || text.includes('polic'));
  for (const { from, text } of lines) process.stdout.write(`[${from}] ${text}\n`);
}
