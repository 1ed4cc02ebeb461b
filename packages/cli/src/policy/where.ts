// In: the world. Out: who enforces a policy (spec user-tools 2.6, ledger row 26). Called by command.ts.
import { FRONTEND_TYPE_URL } from '@ambit/proto/type-urls';
import type { KubernetesObject } from '@ambit/resources';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, namespaceOf, specOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { loadWorld } from '../explain/load-world.ts';
import type { World } from '../explain/world.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, type OutputFlags, printListing } from '../output/print-listing.ts';

/** One place that enforces a policy. */
export interface EnforcementPoint {
  /** `node proxy` or `waypoint`. */
  readonly by: string;
  readonly subject: string;
  readonly node: string;
}

/** Places that enforce the policy `namespace/name`. Pure. */
export function enforcementPoints(world: World, key: string): readonly EnforcementPoint[] {
  const { snapshot } = world;
  const policy = snapshot.policies.get(key);
  const workloads = [...snapshot.workloads.values()].filter((workload) => {
    if (policy === undefined || workload.protocol !== 'HBONE') return false;
    if (policy.scope === 'GLOBAL') return true;
    if (policy.scope === 'NAMESPACE') return workload.namespace === policy.namespace;
    return workload.authorizationPolicies.includes(key);
  });
  const frontends = [...world.names(FRONTEND_TYPE_URL)].filter(
    (name) => world.frontend(name)?.policies.some((ref) => ref.policy.endsWith(key)) === true,
  );
  return [
    ...workloads.map((workload) => ({
      by: 'node proxy',
      subject: `pod ${workload.namespace}/${workload.name}`,
      node: workload.node,
    })),
    ...frontends.map((name) => ({ by: 'waypoint', subject: `service ${name}`, node: '' })),
  ];
}

const hasTarget = (policy: KubernetesObject): boolean => {
  const { targetRef, targetRefs } = specOf(policy) as { targetRef?: object; targetRefs?: readonly object[] };
  return targetRef !== undefined || (targetRefs ?? []).length > 0;
};

/** Lists policies. */
export async function policyList(api: OpenedCluster, namespace: string | undefined, flags: OutputFlags): Promise<void> {
  const [policies, world] = await Promise.all([
    api.list(kinds.authorizationPolicy, namespace === undefined ? {} : { namespace }),
    loadWorld(api),
  ]);
  const rows = policies.map((policy) => {
    const points = enforcementPoints(world, `${namespaceOf(policy)}/${nameOf(policy)}`);
    const count = (by: string): number => points.filter((point) => point.by === by).length;
    return {
      namespace: namespaceOf(policy),
      name: nameOf(policy),
      action: (specOf(policy) as { action?: string }).action ?? 'ALLOW',
      layer: hasTarget(policy) ? 'L7' : 'L4',
      pods: count('node proxy'),
      services: count('waypoint'),
    };
  });
  await printListing(
    {
      kind: 'PolicyList',
      rows,
      name: (row) => `authorizationpolicy/${row.name}`,
      empty: 'no authorization policy',
      columns: [
        { header: 'NAMESPACE', of: (row) => row.namespace },
        { header: 'NAME', of: (row) => row.name },
        { header: 'ACTION', of: (row) => row.action },
        { header: 'LAYER', of: (row) => row.layer },
        {
          header: 'ENFORCED BY',
          of: (row) =>
            row.pods + row.services === 0
              ? 'NOBODY'
              : [
                  row.pods > 0 ? `node proxies for ${row.pods} pods` : '',
                  row.services > 0 ? `waypoints for ${row.services} services` : '',
                ]
                  .filter((text) => text !== '')
                  .join(', '),
        },
      ],
    },
    flags,
  );
}

/** Shows who enforces one policy. Exit status 3 when nobody does. */
export async function policyWhere(api: OpenedCluster, text: string, flags: OutputFlags): Promise<void> {
  const [name = '', namespace = api.namespace] = text.split('.');
  if ((await api.get({ ...kinds.authorizationPolicy, namespace, name })) === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `AuthorizationPolicy ${namespace}/${name} does not exist`, {
      hint: 'ambit policy list -A',
    });
  const rows = enforcementPoints(await loadWorld(api), `${namespace}/${name}`);
  await printListing(
    {
      kind: 'EnforcementPoints',
      rows,
      document: documentOf('EnforcementPoints', { policy: `${namespace}/${name}`, items: rows }),
      name: (row) => row.subject,
      empty: `nobody enforces ${namespace}/${name}\nwhy: it selects no pod in the mesh, or the service that it targets has no waypoint\ntry: ambit analyze -n ${namespace}`,
      columns: [
        { header: 'BY', of: (row) => row.by },
        { header: 'FOR', of: (row) => row.subject },
        { header: 'NODE', of: (row) => row.node },
      ],
    },
    flags,
  );
  if (rows.length === 0) process.exitCode = exitStatus.no;
}
