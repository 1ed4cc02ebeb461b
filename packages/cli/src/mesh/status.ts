// `ambit mesh status`. In: a namespace, or none for all. Out: how many pods are captured and what is wrong, or each pod with the reason.
// Everything is listed once, whatever the number of namespaces.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi, KindRef } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf, nameOf, namespaceOf, specOf } from '../cluster/object-fields.ts';
import { documentOf, type OutputFlags, printListing } from '../output/print-listing.ts';
import { isWaypoint } from '../waypoint/gateway.ts';
import { requireNamespace } from './add.ts';
import { captureOf, isEnding, unprotectedOf } from './capture.ts';
import { blockingPolicies } from './network-policies.ts';

/** One row per pod. */
interface PodStatus {
  readonly pod: string;
  readonly captured: boolean;
  readonly reason: string;
  readonly unprotectedConnections: number;
}

/** One row per namespace. */
export interface NamespaceStatus {
  readonly namespace: string;
  readonly mode: string;
  readonly waypoint: string;
  readonly pods: readonly PodStatus[];
  readonly l4Policies: number;
  readonly l7Policies: number;
  readonly issues: readonly string[];
}

/** Everything that the rows are made of. */
export interface MeshFacts {
  readonly namespaces: readonly KubernetesObject[];
  readonly pods: readonly KubernetesObject[];
  readonly policies: readonly KubernetesObject[];
  readonly gateways: readonly KubernetesObject[];
  readonly networkPolicies: readonly KubernetesObject[];
}

function grouped(objects: readonly KubernetesObject[]): ReadonlyMap<string, KubernetesObject[]> {
  const groups = new Map<string, KubernetesObject[]>();
  for (const object of objects) {
    const group = groups.get(namespaceOf(object));
    if (group === undefined) groups.set(namespaceOf(object), [object]);
    else group.push(object);
  }
  return groups;
}

function podStatus(pod: KubernetesObject, owner: KubernetesObject): PodStatus {
  const capture = captureOf(pod, owner);
  return {
    pod: nameOf(pod),
    captured: capture.kind === 'captured',
    reason: capture.kind === 'captured' ? '' : capture.reason,
    unprotectedConnections: unprotectedOf(pod),
  };
}

const hasTarget = (policy: KubernetesObject): boolean => {
  const { targetRef, targetRefs } = specOf(policy) as { targetRef?: object; targetRefs?: readonly object[] };
  return targetRef !== undefined || (targetRefs ?? []).length > 0;
};

function waypointIssue(namespace: KubernetesObject, gateways: readonly KubernetesObject[]): readonly string[] {
  const used = namespace.metadata?.labels?.[labels.useWaypoint];
  if (used === undefined || used === 'none') return [];
  const home = namespace.metadata?.labels?.[labels.useWaypointNamespace] ?? nameOf(namespace);
  const gateway = gateways.find(
    (candidate) => nameOf(candidate) === used && namespaceOf(candidate) === home && isWaypoint(candidate),
  );
  if (gateway === undefined) return [`waypoint ${home}/${used} does not exist: traffic goes around it`];
  const programmed = conditionOf(gateway, 'Programmed');
  return programmed?.status === 'True'
    ? []
    : [`waypoint ${home}/${used} is not ready: ${programmed?.message ?? 'no status yet'}`];
}

/** Rows from objects. Pure. */
export function namespaceStatuses(facts: MeshFacts): readonly NamespaceStatus[] {
  const [pods, policies, networkPolicies] = [
    grouped(facts.pods.filter((pod) => !isEnding(pod))),
    grouped(facts.policies),
    grouped(facts.networkPolicies),
  ];
  return facts.namespaces.map((namespace) => {
    const name = nameOf(namespace);
    const inside = pods.get(name) ?? [];
    const rows = inside.map((pod) => podStatus(pod, namespace));
    const captured = inside.filter((_, index) => rows[index]?.captured === true);
    const waiting = inside.filter((pod) => captureOf(pod, namespace).kind === 'waiting').length;
    const own = policies.get(name) ?? [];
    return {
      namespace: name,
      mode: namespace.metadata?.labels?.[labels.dataplaneMode] ?? '',
      waypoint: namespace.metadata?.labels?.[labels.useWaypoint] ?? '',
      pods: rows,
      l4Policies: own.filter((policy) => !hasTarget(policy)).length,
      l7Policies: own.filter(hasTarget).length,
      issues: [
        ...(waiting === 0 ? [] : [`${waiting} pods wait for capture`]),
        ...waypointIssue(namespace, facts.gateways),
        ...blockingPolicies(networkPolicies.get(name) ?? [], captured).map(
          ({ name: policy }) => `NetworkPolicy ${policy} does not admit 15008`,
        ),
      ],
    };
  });
}

async function factsOf(api: ClusterApi, namespace: string | undefined): Promise<MeshFacts> {
  const inside = namespace === undefined ? {} : { namespace };
  const list = async (kind: KindRef, options: object = inside): Promise<readonly KubernetesObject[]> =>
    api.list(kind, options);
  const [namespaces, pods, policies, gateways, networkPolicies] = await Promise.all([
    namespace === undefined ? list(kinds.namespace, {}) : requireNamespace(api, namespace).then((one) => [one]),
    list(kinds.pod),
    list(kinds.authorizationPolicy),
    list(kinds.gateway, {}),
    list(kinds.networkPolicy),
  ]);
  return { namespaces, pods, policies, gateways, networkPolicies };
}

/** Prints the capture state. */
export async function meshStatus(api: ClusterApi, namespace: string | undefined, flags: OutputFlags): Promise<void> {
  const summaries = namespaceStatuses(await factsOf(api, namespace));
  const document = documentOf('MeshStatus', { namespaces: summaries });
  const first = summaries[0];
  if (namespace !== undefined && first !== undefined) {
    await printListing(
      {
        kind: 'MeshStatus',
        rows: first.pods,
        document,
        name: (pod) => `pod/${pod.pod}`,
        empty: `namespace ${namespace} has no pod`,
        columns: [
          { header: 'POD', of: (pod) => pod.pod },
          { header: 'CAPTURED', of: (pod) => (pod.captured ? 'yes' : 'no') },
          { header: 'UNPROTECTED CONNECTIONS', of: (pod) => String(pod.unprotectedConnections) },
          { header: 'WHY NOT', of: (pod) => pod.reason },
        ],
      },
      flags,
    );
    if (flags.output === 'table') for (const issue of first.issues) process.stdout.write(`!! ${issue}\n`);
    return;
  }
  await printListing(
    {
      kind: 'MeshStatus',
      rows: summaries,
      document,
      name: (row) => `namespace/${row.namespace}`,
      columns: [
        { header: 'NAMESPACE', of: (row) => row.namespace },
        { header: 'MODE', of: (row) => row.mode },
        { header: 'CAPTURED', of: (row) => `${row.pods.filter((pod) => pod.captured).length}/${row.pods.length}` },
        { header: 'WAYPOINT', of: (row) => row.waypoint },
        { header: 'L4-POL', of: (row) => String(row.l4Policies) },
        { header: 'L7-POL', of: (row) => String(row.l7Policies) },
        {
          header: 'UNPROTECTED',
          of: (row) => String(row.pods.reduce((sum, pod) => sum + pod.unprotectedConnections, 0)),
        },
        { header: 'ISSUES', of: (row) => row.issues.join('; ') },
      ],
    },
    flags,
  );
}
