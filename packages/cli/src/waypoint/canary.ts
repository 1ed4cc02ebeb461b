// `ambit waypoint canary`. In: a second waypoint and a share. Out: the labels that send that share of new connections through it; promote
// makes it the waypoint, abort takes it away (spec user-tools 1.1, 1.3).
import type { ClusterApi, ObjectRef } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { requireNamespace } from '../mesh/add.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';

const canaryLabel = 'istio.io/use-waypoint-canary';
const weightAnnotation = 'istio.io/use-waypoint-canary-weight';

/** Options of the command. */
export interface CanaryOptions extends PlanFlags {
  readonly to?: string;
  readonly weight?: string;
  readonly promote?: boolean;
  readonly abort?: boolean;
  /** One service instead of the namespace. */
  readonly service?: string;
}

type Patch = Readonly<Record<string, string | null>>;

/** Metadata change of a canary step. Throws ERR_CLI_INVALID on a weight out of range. Pure. */
export function canaryPatch(
  options: CanaryOptions,
  current: string | undefined,
): { readonly labels: Patch; readonly annotations: Patch } {
  const without = { labels: { [canaryLabel]: null }, annotations: { [weightAnnotation]: null } };
  if (options.abort === true) return without;
  if (options.promote === true) {
    if (current === undefined)
      throw new CliError('ERR_CLI_REFUSED', 'there is no canary to promote', {
        hint: 'ambit waypoint canary --to NAME --weight 10',
      });
    return { ...without, labels: { ...without.labels, [labels.useWaypoint]: current } };
  }
  const weight = Number(options.weight ?? '10');
  if (!Number.isInteger(weight) || weight < 0 || weight > 100)
    throw new CliError('ERR_CLI_INVALID', `weight ${options.weight ?? ''} is no percentage`, {
      hint: 'a whole number from 0 to 100',
    });
  const to = options.to ?? current;
  if (to === undefined) throw new CliError('ERR_CLI_INVALID', 'no waypoint named', { hint: '--to NAME' });
  return { labels: { [canaryLabel]: to }, annotations: { [weightAnnotation]: String(weight) } };
}

/** Does the step. Throws ERR_CLI_REFUSED when the second waypoint is not ready. */
export async function waypointCanary(api: ClusterApi, namespace: string, options: CanaryOptions): Promise<void> {
  const ref: ObjectRef =
    options.service === undefined
      ? { ...kinds.namespace, name: namespace }
      : { ...kinds.service, namespace, name: options.service };
  const object = options.service === undefined ? await requireNamespace(api, namespace) : await api.get(ref);
  if (object === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `service ${namespace}/${options.service ?? ''} does not exist`);
  const metadata = canaryPatch(options, object.metadata?.labels?.[canaryLabel]);
  const to =
    (metadata.labels as Record<string, string | null>)[canaryLabel] ??
    (metadata.labels as Record<string, string | null>)[labels.useWaypoint];
  if (typeof to === 'string') {
    const gateway = await api.get({ ...kinds.gateway, namespace, name: to });
    if (gateway === undefined || conditionOf(gateway, 'Programmed')?.status !== 'True')
      throw new CliError('ERR_CLI_REFUSED', `waypoint ${namespace}/${to} is not ready`, {
        hint: `ambit waypoint status -n ${namespace}`,
      });
  }
  const detail = Object.entries({ ...metadata.labels, ...metadata.annotations })
    .map(([key, value]) => (value === null ? `${key}-` : `${key}=${value}`))
    .join(' ');
  if (!(await confirmPlan([{ action: 'label', object: `${ref.kind} ${ref.name}`, detail }], options))) return;
  await api.patch(ref, { metadata });
  process.stdout.write(`${ref.kind} ${ref.name}: ${detail}\n`);
}
