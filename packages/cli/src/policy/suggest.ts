// `ambit policy suggest`. In: what node proxies have counted since they started. Out: one ALLOW policy for each workload of a namespace that
// admits whoever connected to it, and nobody else; as YAML, to be read before it is applied. Called by command.ts.
import type { KubernetesObject } from '@ambit/resources';
import { kinds } from '../cluster/kinds.ts';
import { specOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import type { Reading } from '../traffic/edges.ts';
import { readTraffic } from '../traffic/read-traffic.ts';

/** Who connected to one workload. */
export interface Callers {
  readonly workload: string;
  /** Connections by principal, without `spiffe://`; those that a policy refused do not count. */
  readonly principals: ReadonlyMap<string, number>;
  /** Connections without an identity: a policy of principals refuses them. */
  readonly anonymous: number;
}

const opened = 'istio_tcp_connections_opened_total';
const failed = 'istio_tcp_connections_failed_total';
const scheme = 'spiffe://';

/** The callers of every workload of a namespace, as the destinations counted them. Pure. */
export function callersOf(readings: readonly Reading[], namespace: string): readonly Callers[] {
  const counts = new Map<string, Map<string, number>>();
  for (const { name, labels, value } of readings.flatMap(({ samples }) => samples)) {
    const isDenial = name === failed && labels.get('response_flags') === 'DENY';
    if (labels.get('reporter') !== 'destination' || (name !== opened && !isDenial)) continue;
    const workload = labels.get('destination_workload') ?? 'unknown';
    if (labels.get('destination_workload_namespace') !== namespace || workload === 'unknown') continue;
    const principal = labels.get('source_principal') ?? 'unknown';
    const own = counts.get(workload) ?? new Map<string, number>();
    counts.set(workload, own.set(principal, (own.get(principal) ?? 0) + (isDenial ? -value : value)));
  }
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([workload, own]) => ({
      workload,
      anonymous: Math.max(0, own.get('unknown') ?? 0),
      principals: new Map(
        [...own]
          .filter(([principal, count]) => principal.startsWith(scheme) && count > 0)
          .map(([principal, count]) => [principal.slice(scheme.length), count] as const)
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      ),
    }));
}

/** The policy that admits these callers; undefined when nobody with an identity came. Pure. */
export function suggestedPolicy(
  { workload, principals }: Callers,
  namespace: string,
  matchLabels: Readonly<Record<string, string>>,
): KubernetesObject | undefined {
  if (principals.size === 0) return undefined;
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `${workload}-callers`, namespace },
    spec: {
      selector: { matchLabels: { ...matchLabels } },
      action: 'ALLOW',
      rules: [{ from: [{ source: { principals: [...principals.keys()] } }] }],
    },
  };
}

async function selectorOf(
  api: OpenedCluster,
  namespace: string,
  name: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  for (const kind of [kinds.deployment, kinds.daemonSet]) {
    const object = await api.get({ ...kind, namespace, name });
    const { selector } = specOf(object ?? {}) as { selector?: { matchLabels?: Readonly<Record<string, string>> } };
    if (selector?.matchLabels !== undefined) return selector.matchLabels;
  }
  return undefined;
}

const remark = (callers: Callers): string =>
  [
    ...[...callers.principals].map(([principal, count]) => `# ${count} connections from ${principal}`),
    ...(callers.anonymous === 0
      ? []
      : [`# ${callers.anonymous} connections without an identity: they would be refused`]),
  ].join('\n');

/** Prints the policies of a namespace; what cannot be selected by labels is named on standard error. */
export async function policySuggest(api: OpenedCluster, namespace: string): Promise<void> {
  const { readings, silent } = await readTraffic(api);
  const { stringify } = await import('yaml');
  const documents: string[] = [];
  for (const callers of callersOf(readings, namespace)) {
    const labels = await selectorOf(api, namespace, callers.workload);
    const policy = labels === undefined ? undefined : suggestedPolicy(callers, namespace, labels);
    if (labels === undefined) process.stderr.write(`no Deployment or DaemonSet is called ${callers.workload}\n`);
    if (policy !== undefined) documents.push(`${remark(callers)}\n${stringify(policy, { lineWidth: 0 })}`);
  }
  process.stdout.write(documents.join('---\n'));
  if (silent.length > 0) process.stderr.write(`no answer from ${silent.join(', ')}\n`);
  process.stderr.write(
    documents.length === 0
      ? `nothing with an identity has connected to namespace ${namespace} yet\n`
      : `from what node proxies counted since they started; look at it with: ambit policy simulate -f FILE\n`,
  );
}
