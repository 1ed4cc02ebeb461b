// `ambit mesh status`. In: a namespace, or none for all. Out: how many pods are captured, or each pod with the reason.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { table } from '../output/table.ts';
import { requireNamespace } from './add.ts';
import { captureOf, unprotectedOf } from './capture.ts';

/** One row per pod. */
interface PodStatus {
  readonly pod: string;
  readonly captured: boolean;
  readonly reason: string;
  readonly unprotectedConnections: number;
}

async function podsOf(api: ClusterApi, namespace: string): Promise<readonly PodStatus[]> {
  const owner = await requireNamespace(api, namespace);
  return (await api.list(kinds.pod, { namespace })).map((pod) => {
    const capture = captureOf(pod, owner);
    return {
      pod: nameOf(pod),
      captured: capture.kind === 'captured',
      reason: capture.kind === 'captured' ? '' : capture.reason,
      unprotectedConnections: unprotectedOf(pod),
    };
  });
}

/** Prints the capture state. */
export async function meshStatus(api: ClusterApi, namespace: string | undefined, format: string): Promise<void> {
  const namespaces =
    namespace === undefined ? await api.list(kinds.namespace) : [await requireNamespace(api, namespace)];
  const summaries = await Promise.all(
    namespaces.map(async (object) => ({
      namespace: nameOf(object),
      mode: object.metadata?.labels?.[labels.dataplaneMode] ?? '',
      waypoint: object.metadata?.labels?.[labels.useWaypoint] ?? '',
      pods: await podsOf(api, nameOf(object)),
    })),
  );
  if (format === 'json') {
    process.stdout.write(
      `${JSON.stringify({ apiVersion: 'cli.ambit/v1', kind: 'MeshStatus', namespaces: summaries }, undefined, 2)}\n`,
    );
    return;
  }
  if (namespace !== undefined) {
    const rows = (summaries[0]?.pods ?? []).map((pod) => [
      pod.pod,
      pod.captured ? 'yes' : 'no',
      String(pod.unprotectedConnections),
      pod.reason,
    ]);
    process.stdout.write(`${table(['POD', 'CAPTURED', 'UNPROTECTED CONNECTIONS', 'WHY NOT'], rows)}\n`);
    return;
  }
  const rows = summaries.map(({ namespace: name, mode, waypoint, pods }) => [
    name,
    mode,
    `${pods.filter((pod) => pod.captured).length}/${pods.length}`,
    waypoint,
    String(pods.reduce((sum, pod) => sum + pod.unprotectedConnections, 0)),
  ]);
  process.stdout.write(`${table(['NAMESPACE', 'MODE', 'CAPTURED', 'WAYPOINT', 'UNPROTECTED CONNECTIONS'], rows)}\n`);
}
