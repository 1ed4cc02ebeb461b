// `ambit waypoint require`. In: a namespace with a waypoint. Out: an L4 policy that admits only the waypoint, so that nobody goes around
// its L7 policies (spec user-tools 1.3).
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { requireNamespace } from '../mesh/add.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';
import { waypointPrincipal } from './gateway.ts';
import { trustDomainOf } from './trust-domain.ts';

/** The policy. Pure. */
export const requirePolicy = (namespace: string, waypoint: string, principal: string): KubernetesObject => ({
  ...kinds.authorizationPolicy,
  metadata: { name: `require-${waypoint}`, namespace },
  spec: { action: 'ALLOW', rules: [{ from: [{ source: { principals: [principal] } }] }] },
});

/** Applies the policy, or removes it. Throws ERR_CLI_REFUSED while the waypoint is not ready: nobody would be admitted. */
export async function waypointRequire(
  api: ClusterApi,
  namespace: string,
  options: PlanFlags & { readonly istioNamespace: string; readonly remove?: boolean },
): Promise<void> {
  const owner = await requireNamespace(api, namespace);
  const name = owner.metadata?.labels?.[labels.useWaypoint];
  if (name === undefined || name === 'none')
    throw new CliError('ERR_CLI_REFUSED', `namespace ${namespace} uses no waypoint`, {
      hint: `ambit waypoint apply -n ${namespace} --enroll-namespace`,
    });
  const home = owner.metadata?.labels?.[labels.useWaypointNamespace] ?? namespace;
  const gateway = await api.get({ ...kinds.gateway, namespace: home, name });
  const policy = requirePolicy(
    namespace,
    name,
    gateway === undefined ? '' : waypointPrincipal(gateway, await trustDomainOf(api, options.istioNamespace)),
  );
  const object = `AuthorizationPolicy ${namespace}/${policy.metadata?.name ?? ''}`;
  if (options.remove === true) {
    if (await confirmPlan([{ action: 'delete', object }], options))
      await api.delete({ ...kinds.authorizationPolicy, namespace, name: policy.metadata?.name ?? '' });
    return;
  }
  if (gateway === undefined || conditionOf(gateway, 'Programmed')?.status !== 'True')
    throw new CliError('ERR_CLI_REFUSED', `waypoint ${home}/${name} is not ready, so nobody would be admitted`, {
      hint: `ambit waypoint status -n ${home}`,
    });
  if (
    !(await confirmPlan(
      [
        {
          action: 'create',
          object,
          detail: `admit only ${waypointPrincipal(gateway, await trustDomainOf(api, options.istioNamespace))}`,
        },
      ],
      options,
    ))
  )
    return;
  await api.apply(policy);
  process.stdout.write(
    `${object} applied: only the waypoint reaches the pods of ${namespace}; other ALLOW policies of the namespace widen this\n`,
  );
}
