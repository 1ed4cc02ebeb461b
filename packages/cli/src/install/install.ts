// In: wishes. Out: every object of the mesh applied and its workloads running. Called by `ambit install`, `ambit upgrade` and the demo.
import { idleInstallationValues, renderInstallation } from '@ambit/charts';
import { customResourceDefinitions, type KubernetesObject } from '@ambit/resources';
import type { ClusterApi, ObjectRef } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { conditionOf, nameOf, namespaceOf, specOf } from '../cluster/object-fields.ts';
import { waitForRollouts } from '../cluster/rollout.ts';
import { CliError } from '../errors.ts';
import { confirmPlan, type PlanFlags, type PlannedChange } from '../output/confirm.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { platformOf } from './platform.ts';
import type { InstallWishes } from './wishes.ts';

/** The workloads that an installation waits for. */
export const meshWorkloads = (
  namespace: string,
  revision = '',
  charts: InstallWishes['charts'] = ['istiod', 'cni', 'ztunnel'],
): readonly ObjectRef[] => [
  ...(charts.includes('istiod')
    ? [{ ...kinds.deployment, namespace, name: revision === '' ? 'istiod' : `istiod-${revision}` }]
    : []),
  ...(charts.includes('cni') ? [{ ...kinds.daemonSet, namespace, name: 'istio-cni-node' }] : []),
  ...(charts.includes('ztunnel') ? [{ ...kinds.daemonSet, namespace, name: 'ztunnel' }] : []),
];

const isDefinition = (object: KubernetesObject): boolean => object.kind === kinds.definition.kind;

async function applyDefinitions(api: ClusterApi, definitions: readonly KubernetesObject[]): Promise<void> {
  await Promise.all(definitions.map(async (definition) => api.apply(definition)));
  await waitUntil('definitions', 30_000, async () => {
    const stored = await Promise.all(
      definitions.map(async (definition) => api.get({ ...kinds.definition, name: nameOf(definition) })),
    );
    const isComplete = stored.every(
      (definition) => definition !== undefined && conditionOf(definition, 'Established')?.status === 'True',
    );
    return isComplete ? { value: true } : { missing: 'not all definitions are established' };
  });
}

/** The Gateway API's definitions where the cluster has none: charts do not bring them, waypoints need them. */
async function missingGatewayDefinitions(api: ClusterApi): Promise<readonly KubernetesObject[]> {
  const gatewayApi = customResourceDefinitions().filter((definition) =>
    nameOf(definition).endsWith('.gateway.networking.k8s.io'),
  );
  const stored = await Promise.all(
    gatewayApi.map(async (definition) => api.get({ ...kinds.definition, name: nameOf(definition) })),
  );
  return gatewayApi.filter((_, index) => stored[index] === undefined);
}

/** The values with what the platform needs, unless the user named one. */
async function placedValues(api: ClusterApi, wishes: InstallWishes): Promise<InstallWishes['values']> {
  const global = (wishes.values['global'] ?? {}) as Record<string, unknown>;
  const { name } = await platformOf(api);
  if (name === 'generic' || global['platform'] !== undefined) return wishes.values;
  return { ...wishes.values, global: { ...global, platform: name } };
}

/** Every object that an installation consists of in this cluster, in the order in which they are applied. */
export async function installationObjects(
  api: ClusterApi,
  wishes: InstallWishes,
): Promise<readonly KubernetesObject[]> {
  const values = await placedValues(api, wishes);
  return [
    ...(wishes.charts.includes('base') ? await missingGatewayDefinitions(api) : []),
    { ...kinds.namespace, metadata: { name: wishes.namespace } },
    ...renderInstallation({ namespace: wishes.namespace, values, charts: wishes.charts }),
  ];
}

/** Applies the objects, without waiting for the workloads. */
export async function applyObjects(api: ClusterApi, objects: readonly KubernetesObject[]): Promise<void> {
  await applyDefinitions(api, objects.filter(isDefinition));
  const rest = objects.filter((object) => !isDefinition(object));
  for (const object of rest.filter(({ kind }) => kind === 'Namespace')) await api.apply(object);
  await Promise.all(rest.filter(({ kind }) => kind !== 'Namespace').map(async (object) => api.apply(object)));
}

/** Applies an installation, with what the platform needs, without waiting for the workloads. */
export async function applyMesh(api: ClusterApi, wishes: InstallWishes): Promise<void> {
  await applyObjects(api, await installationObjects(api, wishes));
}

/** Image repository without tag and digest. */
function repositoryOf(image: string): string {
  const reference = image.split('@')[0] ?? '';
  const colon = reference.lastIndexOf(':');
  return colon > reference.lastIndexOf('/') ? reference.slice(0, colon) : reference;
}

/** Waypoints that run another program than ours: our control plane cannot serve them yet (decision W1). */
async function foreignWaypoints(api: ClusterApi, objects: readonly KubernetesObject[]): Promise<readonly string[]> {
  const controlPlane = objects.find(({ kind }) => kind === 'Deployment');
  // Only a control plane serves waypoints: where none is installed, none changes hands.
  if (controlPlane === undefined) return [];
  const env =
    (
      specOf(controlPlane) as {
        template?: { spec?: { containers?: { env?: { name: string; value?: string }[] }[] } };
      }
    ).template?.spec?.containers?.[0]?.env ?? [];
  const own = repositoryOf(env.find(({ name }) => name === 'AMBIT_PROXY_IMAGE')?.value ?? '');
  const deployments = await api.list(kinds.deployment, {
    labelSelector: 'gateway.istio.io/managed=istio.io-mesh-controller',
  });
  return deployments
    .filter((deployment) => {
      const { template } = specOf(deployment) as { template?: { spec?: { containers?: { image?: string }[] } } };
      return repositoryOf(template?.spec?.containers?.[0]?.image ?? '') !== own;
    })
    .map((deployment) => `${namespaceOf(deployment)}/${nameOf(deployment)}`);
}

/** Kinds and names of what is applied, definitions counted; `present` is what the cluster has already. Pure. */
export function installPlan(
  objects: readonly KubernetesObject[],
  present: ReadonlySet<KubernetesObject>,
): readonly PlannedChange[] {
  const actionOf = (object: KubernetesObject): 'create' | 'update' => (present.has(object) ? 'update' : 'create');
  const definitions = objects.filter(isDefinition);
  return [
    ...(['create', 'update'] as const).flatMap((action) => {
      const count = definitions.filter((one) => actionOf(one) === action).length;
      return count === 0 ? [] : [{ action, object: `CustomResourceDefinition (${count})` }];
    }),
    ...objects
      .filter((object) => !isDefinition(object))
      .map((object) => ({
        action: actionOf(object),
        object: `${object.kind ?? ''} ${namespaceOf(object) === '' ? '' : `${namespaceOf(object)}/`}${nameOf(object)}`,
      })),
  ];
}

/** A reference to an object. */
export const refOf = (object: KubernetesObject): ObjectRef => ({
  apiVersion: object.apiVersion ?? '',
  kind: object.kind ?? '',
  name: nameOf(object),
  ...(object.metadata?.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
});

/** Those of the objects that the cluster has. */
export async function presentIn(
  api: ClusterApi,
  objects: readonly KubernetesObject[],
): Promise<ReadonlySet<KubernetesObject>> {
  const stored = await Promise.all(objects.map(async (object) => api.get(refOf(object))));
  return new Set(objects.filter((_, index) => stored[index] !== undefined));
}

/** Options of the command. */
export interface InstallOptions extends PlanFlags {
  readonly timeoutMs: number;
  /** Take over waypoints that run another program. */
  readonly replaceWaypoints?: boolean;
  /** `installed` or `upgraded`. */
  readonly done?: string;
}

const partNames: Readonly<Record<string, string>> = {
  istiod: 'control plane',
  cni: 'node agent',
  ztunnel: 'node proxy',
};

/** What was done, by the parts that run now. Pure. */
export function installedText(charts: InstallWishes['charts'], done: string): string {
  const parts = charts.flatMap((chart) => partNames[chart] ?? []);
  const last = parts.at(-1);
  if (last === undefined) return `definitions are ${done}`;
  const others = parts.slice(0, -1).join(', ');
  return `${others === '' ? '' : `${others} and `}${last} ${parts.length === 1 ? 'is' : 'are'} ${done} and running`;
}

/** Installs the mesh and waits until it runs. Throws ERR_CLI_REFUSED when foreign waypoints exist and may not be replaced. */
export async function install(api: ClusterApi, wishes: InstallWishes, options: InstallOptions): Promise<void> {
  const objects = await installationObjects(api, wishes);
  const foreign = await foreignWaypoints(api, objects);
  if (foreign.length > 0 && options.replaceWaypoints !== true) {
    throw new CliError('ERR_CLI_REFUSED', `waypoints of another implementation exist: ${foreign.join(', ')}`, {
      cause: new Error('this control plane serves its own waypoints only; theirs would lose their configuration'),
      hint: 'add --replace-waypoints to have them deployed anew, or install with --revision beside the other control plane',
    });
  }
  for (const { path, description } of idleInstallationValues(wishes.values))
    process.stderr.write(`!! value ${path} has no effect here\nwhy: ${description}\n`);
  if (!(await confirmPlan(installPlan(objects, await presentIn(api, objects)), options))) return;
  const progress = startProgress(`applying ${objects.length} objects of the mesh`);
  await applyObjects(api, objects);
  for (const workload of meshWorkloads(wishes.namespace, wishes.revision, wishes.charts)) {
    await waitForRollouts(api, [workload], options.timeoutMs, { onMissing: progress.update });
  }
  progress.done(installedText(wishes.charts, options.done ?? 'installed'));
}
