// `ambit waypoint delete`. In: names. Out: those waypoints gone; refused while labels still point at them.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi, ObjectRef } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';
import { isEnding } from '../mesh/capture.ts';
import { exitStatus } from '../output/exit-status.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { isWaypoint } from './gateway.ts';

/** Options of the command. */
export interface WaypointDeleteOptions extends PlanFlags {
  readonly namespace: string;
  readonly all?: boolean;
  readonly unenroll?: boolean;
  /** Wait until their workloads end, so long; 0 = do not wait. */
  readonly waitMs: number;
}

const pointsAt = (object: KubernetesObject, home: string, names: readonly string[]): boolean => {
  const given = object.metadata?.labels ?? {};
  const own = object.kind === 'Namespace' ? nameOf(object) : namespaceOf(object);
  return names.includes(given[labels.useWaypoint] ?? '') && (given[labels.useWaypointNamespace] ?? own) === home;
};

/** Objects whose label points at one of these waypoints, in all namespaces. */
export async function usersOf(api: ClusterApi, home: string, names: readonly string[]): Promise<readonly ObjectRef[]> {
  const kindsThatPoint = [kinds.namespace, kinds.service, kinds.serviceEntry, kinds.pod];
  const lists = await Promise.all(kindsThatPoint.map(async (kind) => ({ kind, objects: await api.list(kind) })));
  return lists.flatMap(({ kind, objects }) =>
    objects
      .filter((object) => pointsAt({ ...object, kind: kind.kind }, home, names))
      .map((object) => ({
        ...kind,
        name: nameOf(object),
        ...(kind === kinds.namespace ? {} : { namespace: namespaceOf(object) }),
      })),
  );
}

const show = ({ kind, name, namespace }: ObjectRef): string =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;

/**
 * Waits until the cluster has removed the Deployments of deleted waypoints and their pods end. A pod goes on ending for as long as its
 * connections last; it is not waited for.
 */
async function waitUntilEnding(
  api: ClusterApi,
  namespace: string,
  names: readonly string[],
  timeoutMs: number,
): Promise<void> {
  const progress = startProgress(`end of ${names.map((name) => `waypoint ${namespace}/${name}`).join(', ')}`);
  const labelSelector = `gateway.networking.k8s.io/gateway-name in (${names.join(',')})`;
  await waitUntil(
    'end of the waypoints',
    timeoutMs,
    async () => {
      const [deployments, pods] = await Promise.all([
        api.list(kinds.deployment, { namespace, labelSelector }),
        api.list(kinds.pod, { namespace, labelSelector }),
      ]);
      const left = [...deployments, ...pods.filter((pod) => !isEnding(pod))].map(nameOf);
      return left.length === 0 ? { value: true } : { missing: `still there: ${left.join(', ')}` };
    },
    { onMissing: progress.update, hint: `kubectl -n ${namespace} get deployments,pods` },
  );
  progress.done();
}

/** Deletes the named waypoints, or all. Throws ERR_CLI_REFUSED while something uses them, unless it may remove the labels. */
export async function waypointDelete(
  api: ClusterApi,
  names: readonly string[],
  options: WaypointDeleteOptions,
): Promise<void> {
  const { namespace } = options;
  if (names.length === 0 && options.all !== true)
    throw new CliError('ERR_CLI_INVALID', 'no waypoint named', { hint: 'name one, or use --all' });
  const existing = (await api.list(kinds.gateway, { namespace })).filter(isWaypoint).map(nameOf);
  const unknown = options.all === true ? [] : names.filter((name) => !existing.includes(name));
  const chosen = options.all === true ? existing : names.filter((name) => existing.includes(name));
  const using = chosen.length === 0 ? [] : await usersOf(api, namespace, chosen);
  if (using.length > 0 && options.unenroll !== true) {
    throw new CliError('ERR_CLI_REFUSED', `still in use by ${using.map(show).join(', ')}`, {
      cause: new Error('without the waypoint their traffic would go directly, and L7 policies would not apply'),
      hint: 'add --unenroll to remove their labels',
    });
  }
  const changes = [
    ...using.map((user) => ({ action: 'unlabel' as const, object: show(user), detail: labels.useWaypoint })),
    ...chosen.map((name) => ({ action: 'delete' as const, object: `Gateway ${namespace}/${name}` })),
  ];
  if (!(await confirmPlan(changes, options))) return;
  for (const user of using)
    await api.patch(user, {
      metadata: { labels: { [labels.useWaypoint]: null, [labels.useWaypointNamespace]: null } },
    });
  for (const name of chosen) {
    const deleted = await api.delete({ ...kinds.gateway, namespace, name });
    await api.delete({ ...kinds.configMap, namespace, name: `${name}-options` });
    process.stdout.write(`waypoint ${namespace}/${name} ${deleted ? 'deleted' : 'not found'}\n`);
  }
  if (chosen.length > 0 && options.waitMs > 0) await waitUntilEnding(api, namespace, chosen, options.waitMs);
  for (const name of unknown) process.stdout.write(`waypoint ${namespace}/${name} not found\n`);
  if (unknown.length > 0) process.exitCode = exitStatus.no;
}
