// In: a namespace with its pods and policies. Out: what labelling it would do, and what stands against it. Pure.
// Called by `mesh add` (spec user-tools 1.2).
import type { KubernetesObject } from '@ambit/resources';
import { labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf, specOf } from '../cluster/object-fields.ts';
import { obstacle } from './capture.ts';
import { type BlockingPolicy, blockingPolicies } from './network-policies.ts';

/** What the command looks at. */
export interface EnrolmentFacts {
  readonly namespace: KubernetesObject;
  readonly istioNamespace: string;
  readonly pods: readonly KubernetesObject[];
  readonly networkPolicies: readonly KubernetesObject[];
  /** Of all namespaces. */
  readonly peerAuthentications: readonly KubernetesObject[];
}

/** What labelling the namespace would do. */
export interface EnrolmentPlan {
  readonly pods: readonly { readonly name: string; readonly captured: boolean; readonly reason: string }[];
  readonly blocking: readonly BlockingPolicy[];
  /** `ns/name` of policies that would cut off callers outside the mesh. */
  readonly strict: readonly string[];
  /** Why nothing would be captured at all. */
  readonly excluded: string | undefined;
}

const neverCaptured = ['kube-system', 'kube-public', 'kube-node-lease'];

function exclusionOf(namespace: string, istioNamespace: string): string | undefined {
  if (namespace === istioNamespace) return 'it is the namespace of the mesh itself';
  return neverCaptured.includes(namespace) ? 'node agents exclude it (value cni.excludeNamespaces)' : undefined;
}

const modeOf = (authentication: KubernetesObject): string =>
  (specOf(authentication) as { mtls?: { mode?: string } }).mtls?.mode ?? 'UNSET';

/** Decides. */
export function planEnrolment(facts: EnrolmentFacts): EnrolmentPlan {
  const name = nameOf(facts.namespace);
  const excluded = exclusionOf(name, facts.istioNamespace);
  const pods = facts.pods.map((pod) => {
    const reason = excluded ?? obstacle(pod);
    return { name: nameOf(pod), captured: reason === undefined, reason: reason ?? '' };
  });
  const captured = facts.pods.filter((_, index) => pods[index]?.captured === true);
  const strict = facts.peerAuthentications
    .filter((one) => modeOf(one) === 'STRICT' && [name, facts.istioNamespace].includes(namespaceOf(one)))
    .map((one) => `${namespaceOf(one)}/${nameOf(one)}`);
  return { pods, blocking: blockingPolicies(facts.networkPolicies, captured), strict, excluded };
}

/** Warnings of a plan: fact, why, try. */
export function enrolmentWarnings(plan: EnrolmentPlan, namespace: string): readonly string[] {
  return [
    ...(plan.excluded === undefined ? [] : [`!! namespace ${namespace} is never captured\nwhy: ${plan.excluded}`]),
    ...plan.blocking.map(
      ({ name, pods, patch, ports }) =>
        `!! NetworkPolicy ${namespace}/${name} does not admit TCP 15008: callers in the mesh will time out at ${pods.join(', ')}\n` +
        'why: mesh peers reach captured pods through that port\n' +
        `try: kubectl -n ${namespace} patch networkpolicy ${name} --type json -p '${patch}'\n` +
        `     and an AuthorizationPolicy for ports ${ports.join(', ') || '(none)'}: behind 15008 the policy's own list says nothing about callers in the mesh`,
    ),
    ...plan.strict.map(
      (name) =>
        `!! PeerAuthentication ${name} is STRICT: callers outside the mesh will be cut off\ntry: ambit mesh add their namespaces too, or mode PERMISSIVE meanwhile`,
    ),
  ];
}

/** The label that enrols. */
export const enrolLabel = `${labels.dataplaneMode}=ambient`;
