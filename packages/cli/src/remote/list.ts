// `ambit remote-clusters`. In: the control planes. Out: a row per cluster and control plane. Columns of istioctl.
import { kinds } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type OutputFlags, printListing } from '../output/print-listing.ts';

interface ClusterStatus {
  readonly id: string;
  readonly secretName?: string;
  readonly syncStatus: string;
}

interface ClusterRow {
  readonly name: string;
  readonly secret: string;
  readonly status: string;
  readonly istiod: string;
}

async function rowsOf(api: OpenedCluster, istiod: string): Promise<readonly ClusterRow[]> {
  const { status, body } = await api.askPod({
    namespace: api.istioNamespace,
    name: istiod,
    port: 15_014,
    path: '/debug/clusterz',
  });
  if (status !== 200) throw new CliError('ERR_CLI_ADMIN', `control plane ${istiod} answered ${status}`);
  return (JSON.parse(body) as readonly ClusterStatus[]).map(({ id, secretName = '', syncStatus }) => ({
    name: id,
    secret: secretName,
    status: syncStatus,
    istiod,
  }));
}

/** Prints the rows. Exit status 3 when a cluster is not synced. */
export async function remoteClusters(api: OpenedCluster, flags: OutputFlags): Promise<void> {
  const pods = await api.list(kinds.pod, { namespace: api.istioNamespace, labelSelector: 'app=istiod' });
  if (pods.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `there is no control plane in namespace ${api.istioNamespace}`, {
      hint: 'ambit install, or name its namespace with -i',
    });
  const rows = (await Promise.all(pods.map(async (pod) => rowsOf(api, nameOf(pod))))).flat();
  await printListing(
    {
      kind: 'RemoteClusterList',
      rows,
      name: (row) => row.name,
      empty: 'the control plane reads no other cluster',
      columns: [
        { header: 'NAME', of: (row) => row.name },
        { header: 'SECRET', of: (row) => row.secret },
        { header: 'STATUS', of: (row) => row.status },
        { header: 'ISTIOD', of: (row) => row.istiod },
      ],
    },
    flags,
  );
  if (rows.some(({ status }) => status !== 'synced')) process.exitCode = exitStatus.no;
}
