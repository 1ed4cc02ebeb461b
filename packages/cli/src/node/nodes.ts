// `ambit node list|status|drain|logs`. In: the cluster. Out: the two daemons of each node, their versions, what they carry.
import type { KubernetesObject } from '@ambit/resources';
import { nodeOf, nodeProxies } from '../agent/choose.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf, nameOf, restartsOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type OutputFlags, printListing } from '../output/print-listing.ts';
import { connectionCounts } from '../upgrade/batches.ts';
import { versionOf } from '../version/versions.ts';
import { sampleOf } from './samples.ts';

/** One row per node. */
export interface NodeRow {
  readonly node: string;
  readonly proxy: string;
  readonly proxyVersion: string;
  readonly agent: string;
  readonly agentVersion: string;
  readonly restarts: number;
  readonly pods: number;
  /** From the metrics of the node proxy; absent when it did not answer. */
  readonly open?: number;
  readonly failed?: number;
  readonly memoryMiB?: number;
}

const isReady = (pod: KubernetesObject | undefined): string =>
  pod === undefined ? 'missing' : conditionOf(pod, 'Ready')?.status === 'True' ? 'ready' : 'not ready';

async function metricsOf(
  api: OpenedCluster,
  pod: KubernetesObject | undefined,
): Promise<Pick<NodeRow, 'open' | 'failed' | 'memoryMiB'>> {
  if (pod === undefined) return {};
  const answer = await api
    .askPod({ namespace: api.istioNamespace, name: nameOf(pod), port: 15_020, path: '/metrics' })
    .catch(() => undefined);
  if (answer?.status !== 200) return {};
  const { failed } = connectionCounts(answer.body);
  const memory = sampleOf(answer.body, 'process_resident_memory_bytes');
  return {
    open: sampleOf(answer.body, 'istio_tcp_sockets_open') ?? 0,
    failed,
    ...(memory === undefined ? {} : { memoryMiB: Math.round(memory / 1024 / 1024) }),
  };
}

/** The rows, by name of the node. */
export async function nodeRows(api: OpenedCluster): Promise<readonly NodeRow[]> {
  const [nodes, proxies, agents, pods] = await Promise.all([
    api.list(kinds.node),
    nodeProxies(api, api.istioNamespace),
    api.list(kinds.pod, { namespace: api.istioNamespace, labelSelector: 'k8s-app=istio-cni-node' }),
    api.list(kinds.pod),
  ]);
  return Promise.all(
    nodes
      .map(nameOf)
      .toSorted()
      .map(async (node) => {
        const proxy = proxies.find((pod) => nodeOf(pod) === node);
        const agent = agents.find((pod) => nodeOf(pod) === node);
        return {
          node,
          proxy: isReady(proxy),
          proxyVersion: proxy === undefined ? '' : versionOf(proxy),
          agent: isReady(agent),
          agentVersion: agent === undefined ? '' : versionOf(agent),
          restarts: (proxy === undefined ? 0 : restartsOf(proxy)) + (agent === undefined ? 0 : restartsOf(agent)),
          pods: pods.filter(
            (pod) => nodeOf(pod) === node && pod.metadata?.annotations?.[labels.redirection] === 'enabled',
          ).length,
          ...(await metricsOf(api, proxy)),
        };
      }),
  );
}

const number = (value: number | undefined): string => (value === undefined ? '' : String(value));

/** Prints the nodes, or one. Exit status 3 when a daemon is missing or not ready. */
export async function nodeList(api: OpenedCluster, node: string | undefined, flags: OutputFlags): Promise<void> {
  const rows = (await nodeRows(api)).filter((row) => node === undefined || row.node === node);
  if (node !== undefined && rows.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `node "${node}" does not exist`, { hint: 'kubectl get nodes' });
  await printListing(
    {
      kind: 'NodeList',
      rows,
      name: (row) => `node/${row.node}`,
      columns: [
        { header: 'NODE', of: (row) => row.node },
        { header: 'PROXY', of: (row) => row.proxy },
        { header: 'VERSION', of: (row) => row.proxyVersion },
        { header: 'AGENT', of: (row) => row.agent },
        { header: 'AGENT VERSION', of: (row) => row.agentVersion, wide: true },
        { header: 'PODS', of: (row) => String(row.pods) },
        { header: 'SOCKETS', of: (row) => number(row.open) },
        { header: 'FAILED', of: (row) => number(row.failed) },
        { header: 'RSS MIB', of: (row) => number(row.memoryMiB) },
        { header: 'RESTARTS', of: (row) => String(row.restarts) },
      ],
    },
    flags,
  );
  if (rows.some((row) => row.proxy !== 'ready' || row.agent !== 'ready')) process.exitCode = exitStatus.no;
}

/** Prints the logs of both daemons of a node. */
export async function nodeLogs(
  api: OpenedCluster,
  node: string,
  flags: { readonly since?: string; readonly previous?: boolean },
): Promise<void> {
  const pods = (await api.list(kinds.pod, { namespace: api.istioNamespace })).filter(
    (pod) =>
      nodeOf(pod) === node &&
      ['ztunnel', 'istio-cni-node'].includes(pod.metadata?.labels?.['app'] ?? pod.metadata?.labels?.['k8s-app'] ?? ''),
  );
  if (pods.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `node "${node}" has no daemon of the mesh`, { hint: 'ambit node list' });
  for (const pod of pods) {
    const text = await api.podLog({
      namespace: api.istioNamespace,
      name: nameOf(pod),
      ...(flags.since === undefined ? {} : { sinceSeconds: Number.parseInt(flags.since, 10) }),
      ...(flags.previous === true ? { previous: true } : {}),
    });
    process.stdout.write(
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `[${nameOf(pod)}] ${line}\n`)
        .join(''),
    );
  }
}
