// `ambit proxy status` (also `proxy-status`, `ps`). In: the control planes. Out: who is connected and whether it has accepted what it was
// sent. Columns of istioctl; the age is always there (spec user-tools 2.2, ledger rows 34, 35).
import type { KubernetesObject } from '@ambit/resources';
import { nodeProxies } from '../agent/choose.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, specOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type OutputFlags, printListing } from '../output/print-listing.ts';

interface TypeStatus {
  readonly sent?: string;
  readonly acked?: string;
  readonly sentTime?: string;
  readonly lastError?: string;
  readonly state?: string;
}

interface Synced {
  readonly proxy?: string;
  readonly proxy_type?: string;
  readonly cluster_id?: string;
  readonly istio_version?: string;
  readonly connectedAt?: string;
  readonly resources?: Readonly<Record<string, TypeStatus>>;
}

/** One row. */
export interface ProxyRow {
  readonly name: string;
  readonly cluster: string;
  readonly istiod: string;
  readonly version: string;
  readonly types: Readonly<Record<string, string>>;
  readonly age: string;
}

const shortNames: Readonly<Record<string, string>> = { Address: 'WDS', Workload: 'WDS', Authorization: 'WADS' };

/** Last part of a type URL, in the short form that users know where there is one. */
export function shortType(typeUrl: string): string {
  const name = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  return shortNames[name] ?? name;
}

/** State of one subscription. */
export function stateOf(type: TypeStatus): string {
  if (type.lastError !== undefined && type.lastError !== '') return 'REJECTED';
  if (type.sent === undefined || type.sent === '') return 'NOT SENT';
  return type.sent === type.acked ? 'SYNCED' : 'STALE';
}

function age(time: string | undefined, nowMs: number): string {
  const ms = time === undefined ? Number.NaN : nowMs - Date.parse(time);
  if (!Number.isFinite(ms)) return '';
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120
    ? `${seconds}s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)}m`
      : `${Math.round(seconds / 3600)}h`;
}

/** Rows of one control plane's answer. Pure. */
export function proxyRows(answer: readonly Synced[], istiod: string, nowMs: number): readonly ProxyRow[] {
  return answer.map((one) => {
    const entries = Object.entries(one.resources ?? {});
    const newest = entries
      .map(([, { sentTime }]) => sentTime)
      .filter((time) => time !== undefined)
      .toSorted()
      .at(-1);
    return {
      name: one.proxy ?? '',
      cluster: one.cluster_id ?? 'Kubernetes',
      istiod,
      version: one.istio_version ?? '',
      types: Object.fromEntries(entries.map(([typeUrl, type]) => [shortType(typeUrl), stateOf(type)])),
      age: age(newest ?? one.connectedAt, nowMs),
    };
  });
}

/** Names of the pods that a reference stands for: a waypoint, a workload, or a node (its node proxy); else the reference itself. */
async function connectedNames(api: OpenedCluster, text: string): Promise<ReadonlySet<string>> {
  const reference = parseReference(text);
  if (reference.kind === 'node') return new Set((await nodeProxiesOn(api, reference.name)).map(nameOf));
  const waypoint =
    reference.kind === 'any'
      ? await resolvePods(api, { ...reference, kind: 'gateway' }, api.namespace)
      : ([] as readonly KubernetesObject[]);
  const pods =
    waypoint.length > 0
      ? waypoint
      : await resolvePods(api, reference, api.namespace).catch(() => [] as readonly KubernetesObject[]);
  return new Set(pods.length > 0 ? pods.map(nameOf) : [text.split('.')[0] ?? '']);
}

const nodeProxiesOn = async (api: OpenedCluster, node: string): Promise<readonly KubernetesObject[]> =>
  (await nodeProxies(api, api.istioNamespace)).filter((pod) => specOf(pod)['nodeName'] === node);

/** Prints the rows. Exit status 3 when a proxy refused something. */
export async function proxyStatus(api: OpenedCluster, name: string | undefined, flags: OutputFlags): Promise<void> {
  const pods = await api.list(kinds.pod, { namespace: api.istioNamespace, labelSelector: 'app=istiod' });
  const answers = await Promise.all(
    pods.map(async (pod) => {
      const { status, body } = await api.askPod({
        namespace: api.istioNamespace,
        name: nameOf(pod),
        port: 15_014,
        path: '/debug/syncz',
      });
      if (status !== 200) throw new CliError('ERR_CLI_ADMIN', `control plane ${nameOf(pod)} answered ${status}`);
      return proxyRows(JSON.parse(body) as Synced[], nameOf(pod), Date.now());
    }),
  );
  if (pods.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `there is no control plane in namespace ${api.istioNamespace}`, {
      hint: 'ambit install, or name its namespace with -i',
    });
  const wanted = name === undefined ? undefined : await connectedNames(api, name);
  const rows = answers
    .flat()
    .filter((row) => wanted === undefined || wanted.has(row.name.split('.')[0] ?? ''))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (name !== undefined && rows.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${name}" is connected to no control plane`, { hint: 'ambit check' });
  await printListing(
    {
      kind: 'ProxyStatusList',
      rows,
      name: (row) => row.name,
      empty: 'no proxy is connected',
      columns: [
        { header: 'NAME', of: (row) => row.name },
        { header: 'CLUSTER', of: (row) => row.cluster },
        { header: 'ISTIOD', of: (row) => row.istiod },
        { header: 'VERSION', of: (row) => row.version },
        {
          header: 'SUBSCRIBED TYPES',
          of: (row) => `${Object.keys(row.types).length} (${Object.keys(row.types).join(',')})`,
        },
        {
          header: 'STATE',
          of: (row) =>
            Object.entries(row.types)
              .filter(([, state]) => state !== 'SYNCED')
              .map(([type, state]) => `${type} ${state}`)
              .join(', ') || 'SYNCED',
        },
        { header: 'AGE', of: (row) => row.age },
      ],
    },
    flags,
  );
  if (rows.some((row) => Object.values(row.types).includes('REJECTED'))) process.exitCode = exitStatus.no;
}
