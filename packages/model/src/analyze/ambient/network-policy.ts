// ambient.NetworkPolicy: policies of the network that keep tunnels (TCP 15008) from pods of the mesh (AMB0104).
import type { LabelSelector } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';
import { type Json, mapOf, mapsOf, textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';
import { meshPodsIn } from './enrolment.ts';

const TUNNEL_PORT = 15_008;

/** See the file's comment. */
export const networkPolicyAnalyzer: Analyzer = {
  name: 'ambient.NetworkPolicy',
  description: 'Finds NetworkPolicies that block the tunnel port of pods of the ambient mesh',
  inputs: ['NetworkPolicy', 'Pod', 'Namespace'],
  analyze: ({ objects }, report) => {
    for (const policy of objects.all('NetworkPolicy')) {
      const types = textsOf(policy.spec['policyTypes']);
      const isForIngress = types.length === 0 || types.includes('Ingress');
      if (!isForIngress || mapsOf(policy.spec['ingress']).some(admitsTunnels)) continue;
      const selector = mapOf(policy.spec['podSelector']) as LabelSelector;
      const pods = meshPodsIn(policy.namespace, objects).filter((pod) => matchesLabelSelector(selector, pod.labels));
      const [first] = pods;
      if (first === undefined) continue;
      const others = pods.length === 1 ? '' : ` and of ${pods.length - 1} more`;
      report(
        messageOf(
          'AMB0104',
          policy,
          `The NetworkPolicy keeps tunnels (TCP ${TUNNEL_PORT}) from the pod ${first.name}${others}: connections from the mesh time out. Add an ingress rule for TCP ${TUNNEL_PORT}.`,
        ),
      );
    }
  },
};

function admitsTunnels(rule: Json): boolean {
  const ports = mapsOf(rule['ports']);
  return (
    ports.length === 0 ||
    ports.some(({ port, endPort, protocol = 'TCP' }) => {
      if (protocol !== 'TCP') return false;
      if (port === undefined) return true;
      return (
        typeof port === 'number' && port <= TUNNEL_PORT && TUNNEL_PORT <= (typeof endPort === 'number' ? endPort : port)
      );
    })
  );
}
