// virtualservice.DestinationRuleAnalyzer: subsets that no DestinationRule defines (IST0101).
import { mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import { destinationsOf, serviceOfHost } from '../hosts.ts';
import { messageOf } from '../message.ts';

/** See the file's comment. */
export const virtualServiceSubsetsAnalyzer: Analyzer = {
  name: 'virtualservice.DestinationRuleAnalyzer',
  description: 'Checks the destination rules associated with each virtual service',
  inputs: ['VirtualService', 'DestinationRule'],
  analyze: ({ objects }, report) => {
    const subsets = new Set<string>();
    for (const rule of objects.all('DestinationRule')) {
      const service = serviceOfHost(rule.namespace, textOf(rule.spec['host']));
      for (const subset of mapsOf(rule.spec['subsets'])) subsets.add(`${service} ${textOf(subset['name'])}`);
    }
    for (const service of objects.all('VirtualService')) {
      for (const { destination, path, isMirror } of destinationsOf(service.spec)) {
        const [host, subset] = [textOf(destination['host']), textOf(destination['subset'])];
        if (subset === '' || subsets.has(`${serviceOfHost(service.namespace, host)} ${subset}`)) continue;
        const what = isMirror ? 'mirror+subset in destinationrule' : 'host+subset in destinationrule';
        report(messageOf('IST0101', service, `Referenced ${what} not found: ${quoted(`${host}+${subset}`)}`, path));
      }
    }
  },
};
