// injection.ImageAutoAnalyzer: `image: auto` that nobody will replace (IST0146, IST0147).
import type { LabelSelector } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';
import type { Labels } from '../../labels.ts';
import { type Json, mapOf, mapsOf, optionalMap, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { PROXY_CONTAINER } from '../in-mesh.ts';
import { messageOf } from '../message.ts';

/** See the file's comment. */
export const imageAutoAnalyzer: Analyzer = {
  name: 'injection.ImageAutoAnalyzer',
  description: 'Makes sure that Pods and Deployments with `image: auto` are going to be injected',
  inputs: ['Namespace', 'Pod', 'Deployment', 'MutatingWebhookConfiguration'],
  analyze: ({ objects }, report) => {
    const webhooks = [...objects.all('MutatingWebhookConfiguration')].flatMap(({ object }) =>
      mapsOf(object['webhooks']).filter((webhook) => textOf(webhook['name']).endsWith('istio.io')),
    );
    const text = (kind: string, name: string): string =>
      `${kind} ${name} contains \`image: auto\` but does not match any Istio injection webhook selectors.`;
    for (const pod of objects.all('Pod')) {
      // A running pod with this image is broken whether webhooks match or not.
      if (hasAutoImage(pod.spec)) report(messageOf('IST0147', pod, text('Pod', pod.name)));
    }
    for (const deployment of objects.all('Deployment')) {
      const template = mapOf(deployment.spec['template']);
      if (!hasAutoImage(mapOf(template['spec']))) continue;
      const ofNamespace = objects.find('Namespace', deployment.namespace || 'default')?.labels ?? {};
      const ofPod = mapOf(mapOf(template['metadata'])['labels']) as Labels;
      const isInjected = webhooks.some(
        (webhook) =>
          webhookSelects(webhook['namespaceSelector'], ofNamespace) && webhookSelects(webhook['objectSelector'], ofPod),
      );
      if (!isInjected) report(messageOf('IST0146', deployment, text('Deployment', deployment.name)));
    }
  },
};

const hasAutoImage = (spec: Json): boolean =>
  mapsOf(spec['containers']).some(({ name, image }) => name === PROXY_CONTAINER && image === 'auto');

/** An absent selector of a webhook selects everything. */
export function webhookSelects(selector: unknown, labels: Labels): boolean {
  return optionalMap(selector) === undefined || matchesLabelSelector(selector as LabelSelector, labels);
}
