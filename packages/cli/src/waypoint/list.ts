// `ambit waypoint list` and `status`. In: a namespace or none for all. Out: a table; one row per waypoint, always, without waiting.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf, nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type Column, documentOf, type OutputFlags, printListing } from '../output/print-listing.ts';
import { waitUntilProgrammed } from './apply.ts';
import { isWaypoint, trafficTypeOf } from './gateway.ts';

const waypointsOf = async (api: ClusterApi, namespace: string | undefined): Promise<readonly KubernetesObject[]> =>
  (await api.list(kinds.gateway, namespace === undefined ? {} : { namespace })).filter(isWaypoint);

const programmedOf = (gateway: KubernetesObject): string => conditionOf(gateway, 'Programmed')?.status ?? 'Unknown';

const first: readonly Column<KubernetesObject>[] = [
  { header: 'NAMESPACE', of: namespaceOf },
  { header: 'NAME', of: nameOf },
];

function trafficText(gateway: KubernetesObject): string {
  const { type, isDefault } = trafficTypeOf(gateway);
  return isDefault ? `${type} (default)` : type;
}

const empty = 'no waypoint\ntry: ambit waypoint apply';
const name = (gateway: KubernetesObject): string => `gateway/${nameOf(gateway)}`;

/** Prints the waypoints with their traffic type. */
export async function waypointList(api: ClusterApi, namespace: string | undefined, flags: OutputFlags): Promise<void> {
  const rows = await waypointsOf(api, namespace);
  await printListing(
    {
      kind: 'WaypointList',
      rows,
      name,
      empty,
      document: documentOf('WaypointList', {
        items: rows.map((gateway) => ({
          namespace: namespaceOf(gateway),
          name: nameOf(gateway),
          revision: gateway.metadata?.labels?.[labels.revision] ?? 'default',
          trafficType: trafficTypeOf(gateway).type,
          programmed: programmedOf(gateway),
        })),
      }),
      columns: [
        ...first,
        { header: 'REVISION', of: (gateway) => gateway.metadata?.labels?.[labels.revision] ?? 'default' },
        { header: 'TRAFFIC TYPE', of: trafficText },
        { header: 'PROGRAMMED', of: programmedOf },
      ],
    },
    flags,
  );
}

/** Why a waypoint has no condition yet. */
async function silence(api: ClusterApi, gateway: KubernetesObject): Promise<string> {
  const revision = gateway.metadata?.labels?.[labels.revision];
  const { gatewayClassName = '' } = gateway['spec'] as { gatewayClassName?: string };
  const gatewayClass = await api.get({ ...kinds.gatewayClass, name: gatewayClassName });
  if (gatewayClass === undefined) return `class ${gatewayClassName} does not exist: is a control plane running?`;
  return revision === undefined
    ? 'no control plane has answered'
    : `no control plane of revision or tag "${revision}" has answered`;
}

/** Prints why each waypoint is ready or not; exit status 3 when one is not. Waits only when asked. */
export async function waypointStatus(
  api: ClusterApi,
  namespace: string | undefined,
  flags: OutputFlags & { readonly waitMs?: number },
): Promise<void> {
  if (flags.waitMs !== undefined) {
    const deadline = Date.now() + flags.waitMs;
    for (const gateway of await waypointsOf(api, namespace)) {
      await waitUntilProgrammed(api, namespaceOf(gateway), nameOf(gateway), Math.max(0, deadline - Date.now())).catch(
        () => undefined,
      );
    }
  }
  const rows = await Promise.all(
    (await waypointsOf(api, namespace)).map(async (gateway) => {
      const programmed = conditionOf(gateway, 'Programmed');
      return {
        gateway,
        namespace: namespaceOf(gateway),
        name: nameOf(gateway),
        status: programmed?.status ?? 'Unknown',
        type: 'Programmed',
        reason: programmed?.reason ?? 'NoStatus',
        message: programmed?.message ?? (await silence(api, gateway)),
      };
    }),
  );
  await printListing(
    {
      kind: 'WaypointStatusList',
      rows,
      name: (row) => `gateway/${row.name}`,
      empty,
      document: documentOf('WaypointStatusList', { items: rows.map(({ gateway: _gateway, ...row }) => row) }),
      columns: [
        { header: 'NAMESPACE', of: (row) => row.namespace },
        { header: 'NAME', of: (row) => row.name },
        { header: 'STATUS', of: (row) => row.status },
        { header: 'TYPE', of: (row) => row.type },
        { header: 'REASON', of: (row) => row.reason },
        { header: 'MESSAGE', of: (row) => row.message },
      ],
    },
    flags,
  );
  if (rows.some(({ status }) => status !== 'True')) process.exitCode = exitStatus.no;
}
