// `ambit waypoint delete`. In: names. Out: those waypoints gone; refused while labels still point at them.
import type { ClusterApi, KindRef } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { CliError } from '../errors.ts';
import { isWaypoint } from './gateway.ts';

/** Options of the command. */
export interface WaypointDeleteOptions {
  readonly namespace: string;
  readonly all?: boolean;
  readonly unenroll?: boolean;
}

/** Objects whose label points at one of these waypoints. */
async function users(
  api: ClusterApi,
  namespace: string,
  names: readonly string[],
): Promise<readonly { readonly kind: KindRef; readonly name: string; readonly namespace?: string }[]> {
  const points = (object: { metadata?: { labels?: Record<string, string> } } | undefined): boolean =>
    names.includes(object?.metadata?.labels?.[labels.useWaypoint] ?? '');
  const owner = await api.get({ ...kinds.namespace, name: namespace });
  const inside = await Promise.all(
    [kinds.service, kinds.pod].map(async (kind) =>
      (await api.list(kind, { namespace })).filter(points).map((object) => ({ kind, name: nameOf(object), namespace })),
    ),
  );
  return [...(points(owner) ? [{ kind: kinds.namespace, name: namespace }] : []), ...inside.flat()];
}

/** Deletes the named waypoints, or all. Throws ERR_CLI_INVALID while something uses them, unless it may remove the labels. */
export async function waypointDelete(
  api: ClusterApi,
  names: readonly string[],
  options: WaypointDeleteOptions,
): Promise<void> {
  if (names.length === 0 && options.all !== true)
    throw new CliError('ERR_CLI_INVALID', 'no waypoint named', { hint: 'name one, or use --all' });
  const existing = (await api.list(kinds.gateway, { namespace: options.namespace })).filter(isWaypoint).map(nameOf);
  const chosen = options.all === true ? existing : names;
  const using = await users(api, options.namespace, chosen);
  if (using.length > 0 && options.unenroll !== true) {
    const list = using.map(({ kind, name }) => `${kind.kind} ${name}`).join(', ');
    throw new CliError('ERR_CLI_INVALID', `still in use by ${list}`, { hint: 'add --unenroll to remove their labels' });
  }
  for (const { kind, name, namespace } of using) {
    await api.patch(
      { ...kind, name, ...(namespace === undefined ? {} : { namespace }) },
      { metadata: { labels: { [labels.useWaypoint]: null } } },
    );
  }
  for (const name of chosen) {
    const deleted = await api.delete({ ...kinds.gateway, namespace: options.namespace, name });
    process.stdout.write(`waypoint ${options.namespace}/${name} ${deleted ? 'deleted' : 'not found'}\n`);
  }
}
