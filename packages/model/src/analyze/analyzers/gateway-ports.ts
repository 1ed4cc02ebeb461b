// gateway.IngressGatewayPortAnalyzer: ports of a Gateway that no Service of its pods exposes (IST0162), selectors of nobody (IST0101).
import { mapOf, mapsOf, numberOf, optionalMap } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import type { Inventory } from '../inventory.ts';
import { messageOf } from '../message.ts';
import { firstLabelPath, pairSelector, type PairSelector } from '../selection.ts';

/** See the file's comment. */
export const gatewayPortsAnalyzer: Analyzer = {
  name: 'gateway.IngressGatewayPortAnalyzer',
  description: "Checks a gateway's ports against the gateway's Kubernetes service ports",
  inputs: ['IstioGateway', 'Pod', 'Service'],
  analyze: ({ objects }, report) => {
    for (const gateway of objects.all('IstioGateway')) {
      const selector = pairSelector(gateway.spec['selector']);
      const path = firstLabelPath('.spec.selector', selector);
      const exposed = exposedPorts(selector, objects);
      if (exposed === undefined) {
        report(messageOf('IST0101', gateway, `Referenced selector not found: ${quoted(selector.text)}`, path));
        continue;
      }
      for (const server of mapsOf(gateway.spec['servers'])) {
        if (optionalMap(server['port']) === undefined) continue;
        const number = numberOf(mapOf(server['port'])['number']);
        if (exposed.has(number)) continue;
        report(
          messageOf(
            'IST0162',
            gateway,
            `The gateway is listening on a target port (port ${number}) that is not defined in the Service associated with its workload instances (Pod selector ${selector.text}). If you need to access the gateway port through the gateway Service, it will not be available.`,
            path,
          ),
        );
      }
    }
  },
};

/** Ports and target ports of Services that select the gateway's pods; undefined when there are no such pods. */
function exposedPorts(selector: PairSelector, objects: Inventory): Set<number> | undefined {
  const pods = [...objects.all('Pod')].filter((pod) => selector.matches(pod.labels));
  if (pods.length === 0) return undefined;
  const ports = new Set<number>();
  for (const service of objects.all('Service')) {
    const own = pairSelector(service.spec['selector']);
    if (!pods.some((pod) => pod.namespace === service.namespace && own.matches(pod.labels))) continue;
    for (const port of mapsOf(service.spec['ports'])) {
      if (port['protocol'] !== 'TCP') continue;
      const target = targetNumber(port['targetPort']);
      ports.add(numberOf(port['port']));
      if (target !== 0) ports.add(target);
    }
  }
  return ports;
}

/** The number in a target port; a text counts when it is one. */
function targetNumber(target: unknown): number {
  if (typeof target === 'number') return target;
  const number = typeof target === 'string' ? Number(target) : 0;
  return Number.isInteger(number) ? number : 0;
}
