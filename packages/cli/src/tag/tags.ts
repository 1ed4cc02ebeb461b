// In: tags and revisions. Out: the objects that a tag consists of, rendered by the chart of the control plane; applied, listed, removed.
import { renderInstallation } from '@ambit/charts';
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';
import { type OutputFlags, printListing } from '../output/print-listing.ts';

/** The webhook configuration and the Service of a tag. */
export function tagObjects(tag: string, revision: string, istioNamespace: string): readonly KubernetesObject[] {
  const objects = renderInstallation({
    namespace: istioNamespace,
    values: { revision: revision === 'default' ? '' : revision, revisionTags: [tag] },
    charts: ['istiod'],
  });
  return objects.filter((object) => object.metadata?.labels?.[labels.tag] === tag);
}

interface TagRow {
  readonly tag: string;
  readonly revision: string;
  readonly namespaces: readonly string[];
}

async function tagRows(api: OpenedCluster): Promise<readonly TagRow[]> {
  const [webhooks, namespaces] = await Promise.all([api.list(kinds.mutatingWebhook), api.list(kinds.namespace)]);
  return webhooks
    .flatMap((webhook) => {
      const tag = webhook.metadata?.labels?.[labels.tag];
      return tag === undefined ? [] : [{ tag, revision: webhook.metadata?.labels?.[labels.revision] ?? 'default' }];
    })
    .map((row) => ({
      ...row,
      namespaces: namespaces.filter((one) => one.metadata?.labels?.[labels.revision] === row.tag).map(nameOf),
    }))
    .toSorted((a, b) => (a.tag < b.tag ? -1 : 1));
}

/** Lists tags. */
export async function tagList(api: OpenedCluster, flags: OutputFlags): Promise<void> {
  await printListing(
    {
      kind: 'TagList',
      rows: await tagRows(api),
      name: (row) => row.tag,
      empty: 'no tag\ntry: ambit tag set prod --revision REVISION',
      columns: [
        { header: 'TAG', of: (row) => row.tag },
        { header: 'REVISION', of: (row) => row.revision },
        { header: 'NAMESPACES', of: (row) => row.namespaces.join(',') },
      ],
    },
    flags,
  );
}

/** Makes or moves a tag. Throws ERR_CLI_NOT_FOUND without such a revision, ERR_CLI_REFUSED when the tag points elsewhere. */
export async function tagSet(
  api: OpenedCluster,
  tag: string,
  flags: PlanFlags & { readonly revision: string; readonly overwrite?: boolean },
): Promise<void> {
  const { revision } = flags;
  const deployment = revision === 'default' ? 'istiod' : `istiod-${revision}`;
  if ((await api.get({ ...kinds.deployment, namespace: api.istioNamespace, name: deployment })) === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `there is no control plane of revision "${revision}"`, {
      hint: 'ambit version',
    });
  const known = (await tagRows(api)).find((row) => row.tag === tag);
  if (known !== undefined && known.revision !== revision && flags.overwrite !== true)
    throw new CliError('ERR_CLI_REFUSED', `tag "${tag}" points at revision ${known.revision}`, {
      hint: 'add --overwrite to move it',
    });
  const objects = tagObjects(tag, revision, api.istioNamespace);
  const changes = objects.map((object) => ({
    action: known === undefined ? ('create' as const) : ('update' as const),
    object: `${object.kind ?? ''} ${nameOf(object)}`,
    detail: `-> ${revision}`,
  }));
  if (!(await confirmPlan(changes, flags))) return;
  for (const object of objects) await api.apply(object);
  process.stdout.write(`tag ${tag} points at revision ${revision}\n`);
}

/** Removes a tag. Throws ERR_CLI_REFUSED while namespaces use it. */
export async function tagRemove(
  api: OpenedCluster,
  tag: string,
  flags: PlanFlags & { readonly force?: boolean },
): Promise<void> {
  const known = (await tagRows(api)).find((row) => row.tag === tag);
  if (known === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `there is no tag "${tag}"`, { hint: 'ambit tag list' });
  if (known.namespaces.length > 0 && flags.force !== true)
    throw new CliError('ERR_CLI_REFUSED', `namespaces use the tag "${tag}": ${known.namespaces.join(', ')}`, {
      hint: '--force, or move them first',
    });
  const objects = tagObjects(tag, known.revision, api.istioNamespace);
  if (
    !(await confirmPlan(
      objects.map((object) => ({ action: 'delete', object: `${object.kind ?? ''} ${nameOf(object)}` })),
      flags,
    ))
  )
    return;
  for (const object of objects)
    await api.delete({
      apiVersion: object.apiVersion ?? '',
      kind: object.kind ?? '',
      name: nameOf(object),
      ...(object.metadata?.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
    });
  process.stdout.write(`tag ${tag} removed\n`);
}
