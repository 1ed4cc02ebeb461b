// `ambit waypoint list` and `status`. In: a namespace or none for all. Out: a table.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf, nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { table } from '../output/table.ts';
import { isWaypoint } from './gateway.ts';

/** Prints the waypoints; `status` shows every condition with its reason. */
export async function waypointList(
  api: ClusterApi,
  namespace: string | undefined,
  verb: 'list' | 'status',
): Promise<void> {
  const gateways = (await api.list(kinds.gateway, namespace === undefined ? {} : { namespace })).filter(isWaypoint);
  if (gateways.length === 0) {
    process.stdout.write('no waypoint\ntry: ambit waypoint apply\n');
    return;
  }
  if (verb === 'list') {
    const rows = gateways.map((gateway) => [
      namespaceOf(gateway),
      nameOf(gateway),
      gateway.metadata?.labels?.['istio.io/rev'] ?? 'default',
      gateway.metadata?.labels?.[labels.waypointFor] ?? 'service',
      conditionOf(gateway, 'Programmed')?.status ?? 'Unknown',
    ]);
    process.stdout.write(`${table(['NAMESPACE', 'NAME', 'REVISION', 'TRAFFIC TYPE', 'PROGRAMMED'], rows)}\n`);
    return;
  }
  const rows = gateways.flatMap((gateway) =>
    ['Accepted', 'Programmed'].map((type) => {
      const condition = conditionOf(gateway, type);
      return [
        namespaceOf(gateway),
        nameOf(gateway),
        condition?.status ?? 'Unknown',
        type,
        condition?.reason ?? '',
        condition?.message ?? '',
      ];
    }),
  );
  process.stdout.write(`${table(['NAMESPACE', 'NAME', 'STATUS', 'TYPE', 'REASON', 'MESSAGE'], rows)}\n`);
}
