// destinationrule.SubsetSelectPodAnalyzer: subsets without pods (IST0173) and hosts that nothing defines (IST0174).
import { type Labels, REGION, SUBZONE, ZONE } from '../../labels.ts';
import { mapOf, mapsOf, textOf, textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { HostIndex } from '../hosts.ts';
import type { Inventory } from '../inventory.ts';
import { messageOf } from '../message.ts';
import { pairSelector } from '../selection.ts';

/** See the file's comment. */
export const destinationRuleSubsetAnalyzer: Analyzer = {
  name: 'destinationrule.SubsetSelectPodAnalyzer',
  description: 'Checks if pods are selected by subsets in destination rules.',
  inputs: ['DestinationRule', 'Pod', 'Service', 'ServiceEntry', 'Node'],
  analyze: ({ objects }, report) => {
    const hosts = new HostIndex(objects);
    const pods = labelsOfPods(objects);
    for (const rule of objects.all('DestinationRule')) {
      const host = textOf(rule.spec['host']);
      const definition = hosts.find(rule.namespace, textsOf(rule.spec['exportTo']), host);
      if (definition === undefined) {
        const text = `The host ${host} defined in the DestinationRule does not match any services in the mesh.`;
        report(messageOf('IST0174', rule, text));
        continue;
      }
      // Of subsets with one name the last counts.
      const subsets = new Map(mapsOf(rule.spec['subsets']).map((subset) => [textOf(subset['name']), subset]));
      for (const [name, subset] of subsets) {
        const selector = pairSelector({ ...definition.selector, ...mapOf(subset['labels']) });
        if (pods.some((labels) => selector.matches(labels))) continue;
        report(
          messageOf(
            'IST0173',
            rule,
            `The Subset ${name} defined in the DestinationRule does not select any pods. Which may lead to 503 UH (NoHealthyUpstream).`,
          ),
        );
      }
    }
  },
};

/** Labels of every pod with those that the registry adds: place and host. */
function labelsOfPods(objects: Inventory): Labels[] {
  return [...objects.all('Pod')].map((pod) => {
    const nodeName = textOf(pod.spec['nodeName']);
    const node = objects.find('Node', nodeName)?.labels ?? {};
    const added: Record<string, string> = {};
    const [region = '', zone = '', subzone = ''] = [node[REGION], node[ZONE], node[SUBZONE]];
    if (region !== '') added[REGION] = region;
    if (zone !== '') added[ZONE] = zone;
    // Without a zone there is no subzone.
    if (zone !== '' && subzone !== '') added[SUBZONE] = subzone;
    if (nodeName !== '') added['kubernetes.io/hostname'] = nodeName;
    return { ...pod.labels, ...added };
  });
}
