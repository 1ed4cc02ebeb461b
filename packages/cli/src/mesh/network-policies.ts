// In: the NetworkPolicies of a namespace. Out: those that would keep tunnels (TCP 15008) from its pods. Pure. Called by `mesh add --plan`.
import type { KubernetesObject } from '@ambit/resources';
import { nameOf, specOf } from '../cluster/object-fields.ts';

interface IngressRule {
  readonly ports?: readonly {
    readonly port?: number | string;
    readonly endPort?: number;
    readonly protocol?: string;
  }[];
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

/** Names of the policies that restrict ingress and have no rule that admits TCP 15008. */
export function policiesAgainstTunnels(policies: readonly KubernetesObject[]): readonly string[] {
  return policies
    .filter((policy) => {
      const { policyTypes = ['Ingress'], ingress = [] } = specOf(policy) as {
        policyTypes?: readonly string[];
        ingress?: readonly IngressRule[];
      };
      return policyTypes.includes('Ingress') && !ingress.some(admitsTunnel);
    })
    .map(nameOf);
}
