// `ambit waypoint apply`. In: a name and a namespace. Out: the Gateway applied, ready when asked, the namespace labelled when asked.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { requireNamespace } from '../mesh/add.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { waypointGateway } from './gateway.ts';

/** Options of the command. */
export interface WaypointApplyOptions {
  readonly name: string;
  readonly namespace: string;
  readonly for?: string;
  readonly enrollNamespace?: boolean;
  readonly overwrite?: boolean;
  readonly wait?: boolean;
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

async function enrol(api: ClusterApi, options: WaypointApplyOptions): Promise<void> {
  const namespace = await requireNamespace(api, options.namespace);
  const current = namespace.metadata?.labels?.[labels.useWaypoint];
  if (current !== undefined && current !== options.name && options.overwrite !== true) {
    throw new CliError('ERR_CLI_INVALID', `namespace ${options.namespace} already uses the waypoint "${current}"`, {
      hint: 'add --overwrite to replace it',
    });
  }
  await api.patch(
    { ...kinds.namespace, name: options.namespace },
    { metadata: { labels: { [labels.useWaypoint]: options.name } } },
  );
}

/** Applies the Gateway, then waits and labels as asked. */
export async function waypointApply(api: ClusterApi, options: WaypointApplyOptions): Promise<void> {
  await requireNamespace(api, options.namespace);
  await api.apply(waypointGateway(options));
  const progress = startProgress(`waypoint ${options.namespace}/${options.name} applied`);
  if (options.wait === true)
    await waitUntilProgrammed(api, options.namespace, options.name, options.timeoutMs, progress.update);
  if (options.enrollNamespace === true) await enrol(api, options);
  progress.done(`waypoint ${options.namespace}/${options.name} ${options.wait === true ? 'is ready' : 'applied'}`);
  if (options.enrollNamespace === true)
    process.stdout.write(`namespace ${options.namespace} labeled with "${labels.useWaypoint}: ${options.name}"\n`);
}
