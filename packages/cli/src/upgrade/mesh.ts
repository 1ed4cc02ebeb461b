// `ambit upgrade`. In: wishes. Out: control plane, then node agents, then node proxies, each rolled out before the next begins; an order
// that is not safe is refused (INS-5).
import { kinds } from '../cluster/kinds.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { install, installationObjects, meshWorkloads } from '../install/install.ts';
import { type InstallFlags, installWishes } from '../install/wishes.ts';
import { confirmPlan, type PlanFlags } from '../output/confirm.ts';
import { skewOf, versionOf } from '../version/versions.ts';

const parts = ['base', 'istiod', 'cni', 'ztunnel'] as const;

/** Upgrades. Throws ERR_CLI_REFUSED when the nodes would be too far from the control plane. */
export async function upgradeMesh(
  api: OpenedCluster,
  flags: InstallFlags & PlanFlags & { readonly replaceWaypoints?: boolean },
  timeoutMs: number,
): Promise<void> {
  const wishes = await installWishes(flags, api.istioNamespace);
  const objects = await installationObjects(api, wishes);
  const wanted = versionOf(objects.find(({ kind }) => kind === 'Deployment') ?? {});
  const present = await Promise.all(
    meshWorkloads(wishes.namespace, wishes.revision).map(async (ref) => ({ ref, object: await api.get(ref) })),
  );
  if (present.every(({ object }) => object === undefined))
    throw new CliError('ERR_CLI_NOT_FOUND', `no mesh is installed in namespace ${wishes.namespace}`, {
      hint: 'ambit install',
    });
  for (const { ref, object } of present.filter(({ ref: { kind } }) => kind === kinds.daemonSet.kind)) {
    const skew = object === undefined ? undefined : skewOf(wanted, versionOf(object));
    if (skew !== undefined)
      throw new CliError('ERR_CLI_REFUSED', `${ref.name}: ${skew}`, { hint: 'upgrade one minor version at a time' });
  }
  const changes = present.map(({ ref, object }) => ({
    action: 'update' as const,
    object: `${ref.kind} ${wishes.namespace}/${ref.name}`,
    detail: `${object === undefined ? 'none' : versionOf(object)} -> ${versionOf(objects.find((one) => one.kind === ref.kind && one.metadata?.name === ref.name) ?? {})}`,
  }));
  if (!(await confirmPlan(changes, flags))) return;
  for (const part of parts.filter((one) => wishes.charts.includes(one))) {
    process.stderr.write(`${part}\n`);
    await install(api, { ...wishes, charts: [part] }, { ...flags, yes: true, timeoutMs, done: 'upgraded' });
  }
}
