// In: the NetworkPolicies and pods of a namespace. Out: policies that would keep tunnels (TCP 15008) from pods, with a patch that lets
// them in. Pure. Called by `mesh add --plan`, `mesh status` and `check`.
import type { KubernetesObject, LabelSelector } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';
import { nameOf, specOf } from '../cluster/object-fields.ts';

interface IngressRule {
  readonly from?: readonly unknown[];
  readonly ports?: readonly {
    readonly port?: number | string;
    readonly endPort?: number;
    readonly protocol?: string;
  }[];
}

interface PolicySpec {
  readonly podSelector?: LabelSelector;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly IngressRule[];
}

/** A policy that keeps tunnels out. */
export interface BlockingPolicy {
  readonly name: string;
  /** Names of the pods that it selects. */
  readonly pods: readonly string[];
  /** JSON patch (RFC 6902) for `kubectl patch --type json`. */
  readonly patch: string;
  /** Ports that the policy admits; tunnels make this list meaningless for callers in the mesh, so an L4 policy should take its place. */
  readonly ports: readonly (number | string)[];
}

const tunnelPort = 15_008;

function admitsTunnel(rule: IngressRule): boolean {
  if (rule.ports === undefined || rule.ports.length === 0) return true;
  return rule.ports.some(({ port, endPort, protocol = 'TCP' }) => {
    if (protocol !== 'TCP') return false;
    if (port === undefined) return true;
    return typeof port === 'number' && port <= tunnelPort && tunnelPort <= (endPort ?? port);
  });
}

const specOfPolicy = (policy: KubernetesObject): PolicySpec => specOf(policy) as PolicySpec;

const patchOf = (spec: PolicySpec): string =>
  JSON.stringify([
    {
      op: 'add',
      path: spec.ingress === undefined ? '/spec/ingress' : '/spec/ingress/-',
      value:
        spec.ingress === undefined
          ? [{ ports: [{ port: tunnelPort, protocol: 'TCP' }] }]
          : { ports: [{ port: tunnelPort, protocol: 'TCP' }] },
    },
  ]);

/** The policies that restrict ingress of any of these pods and have no rule that admits TCP 15008. */
export function blockingPolicies(
  policies: readonly KubernetesObject[],
  pods: readonly KubernetesObject[],
): readonly BlockingPolicy[] {
  return policies.flatMap((policy) => {
    const spec = specOfPolicy(policy);
    const { policyTypes = ['Ingress'], ingress = [] } = spec;
    if (!policyTypes.includes('Ingress') || ingress.some(admitsTunnel)) return [];
    const selected = pods
      .filter((pod) => matchesLabelSelector(spec.podSelector ?? {}, pod.metadata?.labels ?? {}))
      .map(nameOf);
    if (selected.length === 0) return [];
    const ports = ingress.flatMap((rule) =>
      (rule.ports ?? []).flatMap(({ port }) => (port === undefined ? [] : [port])),
    );
    return [{ name: nameOf(policy), pods: selected, patch: patchOf(spec), ports }];
  });
}
