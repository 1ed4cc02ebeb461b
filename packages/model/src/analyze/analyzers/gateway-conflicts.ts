// gateway.ConflictingGatewayAnalyzer: Gateways that serve the same hosts on the same port of the same pods (IST0145).
import { mapOf, mapsOf, numberOf, textOf, textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Inventory } from '../inventory.ts';
import { messageOf } from '../message.ts';
import { pairSelector, type PairSelector } from '../selection.ts';

/** Hosts with their bind addresses, of the last server of one Gateway on one port. */
interface Bound {
  readonly selector: PairSelector;
  readonly port: number;
  readonly gateways: Map<string, ReadonlyMap<string, string>>;
}

/** See the file's comment. */
export const gatewayConflictsAnalyzer: Analyzer = {
  name: 'gateway.ConflictingGatewayAnalyzer',
  description: "Checks a gateway's selector, port number and hosts",
  inputs: ['IstioGateway', 'Pod'],
  analyze: ({ objects }, report) => {
    const bounds = boundHosts(objects);
    for (const gateway of objects.all('IstioGateway')) {
      const selector = pairSelector(gateway.spec['selector']);
      const related = bounds.filter((bound) => isRelated(selector, bound.selector, objects));
      for (const server of mapsOf(gateway.spec['servers'])) {
        const port = numberOf(mapOf(server['port'])['number']);
        const [hosts, bind] = [textsOf(server['hosts']), textOf(server['bind'])];
        const rivals = related
          .filter((bound) => bound.port === port)
          .flatMap((bound) => [...bound.gateways])
          .filter(([name, known]) => name !== gateway.fullName && hosts.some((host) => known.get(host) === bind))
          .map(([name]) => name);
        if (rivals.length === 0) continue;
        report(
          messageOf(
            'IST0145',
            gateway,
            `Conflict with gateways ${rivals.toSorted().join(',')} (workload selector ${selector.text}, port ${port}, hosts ${hosts.join(',')}).`,
          ),
        );
      }
    }
  },
};

function boundHosts(objects: Inventory): Bound[] {
  const bounds = new Map<string, Bound>();
  for (const gateway of objects.all('IstioGateway')) {
    const selector = pairSelector(gateway.spec['selector']);
    for (const server of mapsOf(gateway.spec['servers'])) {
      const port = numberOf(mapOf(server['port'])['number']);
      const key = `${selector.text}~${port}`;
      const bound = bounds.get(key) ?? { selector, port, gateways: new Map<string, ReadonlyMap<string, string>>() };
      bounds.set(key, bound);
      const bind = textOf(server['bind']);
      bound.gateways.set(gateway.fullName, new Map(textsOf(server['hosts']).map((host) => [host, bind])));
    }
  }
  return [...bounds.values()];
}

/** Equal selectors, or one that contains the other while a pod is selected by both. */
function isRelated(own: PairSelector, other: PairSelector, objects: Inventory): boolean {
  if (own.text === other.text) return true;
  if (!own.text.includes(other.text) && !other.text.includes(own.text)) return false;
  return [...objects.all('Pod')].some((pod) => own.matches(pod.labels) && other.matches(pod.labels));
}
