// In: what was installed. Out: no pod captured, no object of the mesh left (spec user-tools 1.6, INS-6). Called by `ambit uninstall` and
// the demo. The order matters: pods are released while node agents can still remove their rules, waypoints go while the control plane
// can still remove what it made for them.
import { setTimeout as delay } from 'node:timers/promises';
import { customResourceDefinitions, type KubernetesObject } from '@ambit/resources';
import type { ClusterApi, ObjectRef } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import { meshRemove } from '../mesh/remove.ts';
import { confirmPlan, type PlanFlags, type PlannedChange } from '../output/confirm.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { isWaypoint } from '../waypoint/gateway.ts';
import { installationObjects, presentIn, refOf } from './install.ts';
import type { InstallWishes } from './wishes.ts';

/** Options of the command. */
export interface UninstallOptions extends PlanFlags {
  /** Also remove definitions, the root certificate and the namespace. */
  readonly purge: boolean;
}

const isShared = (object: KubernetesObject): boolean =>
  object.kind === 'CustomResourceDefinition' || object.kind === 'Namespace';

const show = ({ kind, name, namespace }: ObjectRef): string =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;

const enrolled = (namespace: KubernetesObject): boolean =>
  namespace.metadata?.labels?.[labels.dataplaneMode] !== undefined;

/** Pods with a label of their own; it takes them into the mesh also where their namespace has none. */
const ownPods = async (api: ClusterApi): Promise<readonly KubernetesObject[]> =>
  api.list(kinds.pod, { labelSelector: `${labels.dataplaneMode}=ambient` });

/** Takes every pod out of the mesh, while the node agents can still remove their rules. */
async function releaseAll(api: ClusterApi): Promise<void> {
  const labelled = (await api.list(kinds.namespace)).filter(enrolled).map(nameOf);
  for (const name of new Set([...labelled, ...(await ownPods(api)).map(namespaceOf)])) {
    await meshRemove(api, name, { yes: true, timeoutMs: 60_000 });
    if (!labelled.includes(name)) continue;
    await api.patch(
      { ...kinds.namespace, name },
      { metadata: { labels: { [labels.useWaypoint]: null, [labels.useWaypointNamespace]: null } } },
    );
  }
}

const waypointsOf = async (api: ClusterApi): Promise<readonly KubernetesObject[]> =>
  (await api.list(kinds.gateway)).filter(isWaypoint);

async function removeWaypoints(api: ClusterApi, onMissing: (text: string) => void): Promise<void> {
  for (const gateway of await waypointsOf(api))
    await api.delete({ ...kinds.gateway, namespace: namespaceOf(gateway), name: nameOf(gateway) });
  await waitUntil(
    'end of the waypoints',
    60_000,
    async () => {
      const left = await api.list(kinds.deployment, {
        labelSelector: 'gateway.networking.k8s.io/gateway-class-name=istio-waypoint',
      });
      return left.length === 0 ? { value: true } : { missing: `still there: ${left.map(nameOf).join(', ')}` };
    },
    { onMissing },
  );
}

/** ConfigMaps that the control plane writes into every namespace. */
const distributed = ['istio-ca-root-cert', 'istio-ca-crl'];

/** Objects that no chart renders and the mesh makes while it runs. */
async function ownRemains(api: ClusterApi, namespace: string, purge: boolean): Promise<readonly ObjectRef[]> {
  const roots = (await api.list(kinds.configMap, { labelSelector: 'istio.io/config=true' })).filter((map) =>
    distributed.includes(nameOf(map)),
  );
  const leaders = (await api.list(kinds.configMap, { namespace })).filter(
    (map) => map.metadata?.annotations?.['control-plane.alpha.kubernetes.io/leader'] !== undefined,
  );
  const leases = (await api.list(kinds.lease, { namespace })).filter((lease) => nameOf(lease).startsWith('istio-'));
  const classes = (await api.list(kinds.gatewayClass)).filter((one) => nameOf(one).startsWith('istio'));
  return [
    ...[...roots, ...leaders].map((map) => ({ ...kinds.configMap, namespace: namespaceOf(map), name: nameOf(map) })),
    ...leases.map((lease) => ({ ...kinds.lease, namespace, name: nameOf(lease) })),
    ...classes.map((one) => ({ ...kinds.gatewayClass, name: nameOf(one) })),
    ...(purge ? [{ ...kinds.secret, namespace, name: 'istio-ca-secret' }] : []),
  ];
}

/** Objects of the mesh that are still in the cluster; definitions and the namespace do not count unless purged. */
export async function leftovers(api: ClusterApi, namespace: string): Promise<readonly string[]> {
  const of = { labelSelector: 'app.kubernetes.io/part-of=istio' };
  const found = await Promise.all(
    [
      kinds.deployment,
      kinds.daemonSet,
      kinds.service,
      kinds.serviceAccount,
      kinds.configMap,
      kinds.mutatingWebhook,
      kinds.validatingWebhook,
    ].map(async (kind) => (await api.list(kind, of)).map((object) => show(refOf({ ...object, ...kind })))),
  );
  const remains = (await ownRemains(api, namespace, false)).map(show);
  return [
    ...found.flat(),
    ...remains,
    ...(await waypointsOf(api)).map((gateway) => `Gateway ${namespaceOf(gateway)}/${nameOf(gateway)}`),
  ];
}

/** Removes an installation and looks at what is left. Returns it; empty when nothing is. */
export async function uninstall(
  api: ClusterApi,
  wishes: InstallWishes,
  options: UninstallOptions,
): Promise<readonly string[]> {
  const { namespace } = wishes;
  const objects = (await installationObjects(api, wishes)).toReversed();
  const definitions = options.purge ? customResourceDefinitions() : [];
  // Some definitions come with a chart: those stay at the end, after the objects.
  const candidates = [
    ...objects.filter(
      (object) =>
        (options.purge || !isShared(object)) &&
        !definitions.some((definition) => nameOf(definition) === nameOf(object)),
    ),
    ...definitions,
  ];
  const present = await presentIn(api, candidates);
  const doomed = candidates.filter((object) => present.has(object));
  const changes: readonly PlannedChange[] = [
    ...(await api.list(kinds.namespace))
      .filter(enrolled)
      .map((one) => ({ action: 'unlabel' as const, object: `Namespace ${nameOf(one)}`, detail: labels.dataplaneMode })),
    ...(await ownPods(api)).map((one) => ({
      action: 'unlabel' as const,
      object: `Pod ${namespaceOf(one)}/${nameOf(one)}`,
      detail: labels.dataplaneMode,
    })),
    ...(await waypointsOf(api)).map((one) => ({
      action: 'delete' as const,
      object: `Gateway ${namespaceOf(one)}/${nameOf(one)}`,
    })),
    ...doomed.map((object) => ({ action: 'delete' as const, object: show(refOf(object)) })),
  ];
  if (!(await confirmPlan(changes, options))) return [];
  const isInstalled = changes.length > 0;
  const progress = startProgress('releasing all pods');
  await releaseAll(api);
  progress.update('deleting waypoints');
  await removeWaypoints(api, progress.update);
  progress.update('deleting the objects of the mesh');
  for (const object of doomed) await api.delete(refOf(object));
  await endMeshPods(api, namespace, progress.update);
  progress.update('deleting what the mesh made while it ran');
  const left = await removeRemains(api, namespace, options.purge);
  progress.done(
    left.length === 0
      ? isInstalled
        ? 'the mesh is uninstalled, nothing is left'
        : `no mesh is installed in namespace ${namespace}, nothing was left of one`
      : `the mesh is uninstalled, but ${left.length} objects are left`,
  );
  if (!options.purge)
    process.stderr.write('  definitions, with the objects of these kinds, stay: --purge removes them\n');
  return left;
}

/** How long the cluster gets to remove what belongs to deleted objects. */
const collectionMs = 30_000;

/**
 * Deletes what no chart rendered. The cluster removes what belonged to a deleted object a moment later, and an object may have been written
 * while its list was read, so this looks again until nothing is left or the time is up. Returns what is left.
 */
async function removeRemains(api: ClusterApi, namespace: string, purge: boolean): Promise<readonly string[]> {
  const deadline = performance.now() + collectionMs;
  for (;;) {
    for (const ref of await ownRemains(api, namespace, purge)) await api.delete(ref);
    const left = await leftovers(api, namespace);
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(200);
  }
}

/** How long the pods of the mesh get to end by themselves. */
const patienceMs = 5000;

/**
 * Waits until the mesh's pods have ended. A replaced node proxy would serve its long-lived connections up to its drain limit; no pod is
 * in the mesh any more, so nobody is protected by waiting for that, and what is left is ended.
 */
async function endMeshPods(api: ClusterApi, namespace: string, onMissing: (text: string) => void): Promise<void> {
  const started = performance.now();
  let isHurried = false;
  await waitUntil(
    'end of the mesh workloads',
    90_000,
    async () => {
      const pods = (await api.list(kinds.pod, { namespace })).filter(
        (pod) => pod.metadata?.labels?.['app.kubernetes.io/part-of'] === 'istio',
      );
      if (!isHurried && performance.now() - started > patienceMs) {
        isHurried = true;
        for (const pod of pods)
          await api.delete({ ...kinds.pod, namespace, name: nameOf(pod) }, { gracePeriodSeconds: 1 });
      }
      return pods.length === 0 ? { value: true } : { missing: `still there: ${pods.map(nameOf).join(', ')}` };
    },
    { onMissing },
  );
}
