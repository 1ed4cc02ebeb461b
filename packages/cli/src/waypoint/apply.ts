// `ambit waypoint apply`. In: a name and a namespace. Out: the Gateway applied, ready when asked, the namespace labelled when asked.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { requireNamespace } from '../mesh/add.ts';
import { confirmPlan, type PlanFlags, type PlannedChange } from '../output/confirm.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { scalingOptions, trafficTypeOf, waypointGateway, waypointPrincipal, type WaypointWishes } from './gateway.ts';
import { policiesThatBreak } from './l4-policies.ts';
import { trustDomainOf } from './trust-domain.ts';

/** Options of the command. */
export interface WaypointApplyOptions extends WaypointWishes, PlanFlags {
  readonly istioNamespace: string;
  readonly enrollNamespace?: boolean;
  readonly overwrite?: boolean;
  readonly wait?: boolean;
  /** Admit the waypoint in L4 policies that would refuse it. */
  readonly fixL4?: boolean;
  readonly timeoutMs: number;
}

/** Waits until the control plane says that the waypoint is programmed. */
export async function waitUntilProgrammed(
  api: ClusterApi,
  namespace: string,
  name: string,
  timeoutMs: number,
  onMissing?: (text: string) => void,
): Promise<void> {
  await waitUntil(
    `waypoint ${namespace}/${name}`,
    timeoutMs,
    async () => {
      const gateway = await api.get({ ...kinds.gateway, namespace, name });
      const programmed = gateway === undefined ? undefined : conditionOf(gateway, 'Programmed');
      if (programmed?.status === 'True') return { value: true };
      return { missing: programmed?.message ?? 'the control plane has not answered yet' };
    },
    {
      hint: `kubectl -n ${namespace} get pods -l gateway.networking.k8s.io/gateway-name=${name}`,
      ...(onMissing === undefined ? {} : { onMissing }),
    },
  );
}

/** The waypoint that the namespace uses now. Throws ERR_CLI_REFUSED when it is another one and may not be replaced. */
async function currentWaypoint(api: ClusterApi, options: WaypointApplyOptions): Promise<string | undefined> {
  const namespace = await requireNamespace(api, options.namespace);
  const current = namespace.metadata?.labels?.[labels.useWaypoint];
  if (
    options.enrollNamespace === true &&
    current !== undefined &&
    current !== options.name &&
    options.overwrite !== true
  ) {
    throw new CliError('ERR_CLI_REFUSED', `namespace ${options.namespace} already uses the waypoint "${current}"`, {
      hint: 'add --overwrite to replace it',
    });
  }
  return current;
}

/** Applies the Gateway, then waits and labels as asked. Everything that can be refused is refused before anything is changed. */
export async function waypointApply(api: ClusterApi, options: WaypointApplyOptions): Promise<void> {
  const { namespace, name } = options;
  const current = await currentWaypoint(api, options);
  const gateway = waypointGateway(options);
  const scaling = scalingOptions(options);
  const principal = waypointPrincipal(gateway, await trustDomainOf(api, options.istioNamespace));
  const breaking =
    options.enrollNamespace === true
      ? policiesThatBreak(await api.list(kinds.authorizationPolicy, { namespace }), principal)
      : [];
  const exists = (await api.get({ ...kinds.gateway, namespace, name })) !== undefined;
  const { type, isDefault } = trafficTypeOf(gateway);
  const changes: readonly PlannedChange[] = [
    ...(scaling === undefined
      ? []
      : [{ action: 'update' as const, object: `ConfigMap ${namespace}/${scaling.metadata?.name ?? ''}` }]),
    {
      action: exists ? 'update' : 'create',
      object: `Gateway ${namespace}/${name}`,
      detail: `serves traffic to ${type}${isDefault ? ' (default)' : ''}`,
    },
    ...(options.fixL4 === true
      ? breaking.map((policy) => ({
          action: 'update' as const,
          object: `AuthorizationPolicy ${namespace}/${policy.name}`,
          detail: `admit ${principal}`,
        }))
      : []),
    ...(options.enrollNamespace === true && current !== name
      ? [{ action: 'label' as const, object: `Namespace ${namespace}`, detail: `${labels.useWaypoint}=${name}` }]
      : []),
  ];
  if (options.fixL4 !== true) {
    for (const policy of breaking) {
      process.stderr.write(
        `!! AuthorizationPolicy ${namespace}/${policy.name} will refuse the waypoint: behind it, pods see ${principal} as the caller\n` +
          `try: --fix-l4, or kubectl -n ${namespace} patch authorizationpolicy ${policy.name} --type json -p '${JSON.stringify(policy.patch)}'\n`,
      );
    }
  }
  if (!(await confirmPlan(changes, options))) return;
  const progress = startProgress(`applying waypoint ${namespace}/${name}`);
  if (scaling !== undefined) await api.apply(scaling);
  await api.apply(gateway);
  if (options.wait === true) await waitUntilProgrammed(api, namespace, name, options.timeoutMs, progress.update);
  if (options.fixL4 === true)
    for (const { name: policy, patch } of breaking)
      await api.patchJson({ ...kinds.authorizationPolicy, namespace, name: policy }, patch);
  if (options.enrollNamespace === true && current !== name)
    await api.patch({ ...kinds.namespace, name: namespace }, { metadata: { labels: { [labels.useWaypoint]: name } } });
  progress.done(
    `waypoint ${namespace}/${name} ${options.wait === true ? 'is ready' : 'applied'}, serves traffic to ${type}${isDefault ? ' (default)' : ''}`,
  );
  if (options.enrollNamespace === true)
    process.stdout.write(`namespace ${namespace} labeled with "${labels.useWaypoint}: ${name}"\n`);
}
