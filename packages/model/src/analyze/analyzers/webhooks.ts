// webhook.Analyzer: injectors that overlap or that lead nowhere (IST0139).
import { REVISION, type Labels } from '../../labels.ts';
import { type Json, mapOf, mapsOf, optionalMap, textOf, textsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { INJECTION, SIDECAR_INJECT } from '../in-mesh.ts';
import type { Inventory } from '../inventory.ts';
import { type Message, messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';
import { webhookSelects } from './image-auto.ts';

interface Injector {
  readonly configuration: Subject;
  readonly webhook: Json;
  /** `<configuration>/<webhook>`. */
  readonly name: string;
}

/** See the file's comment. */
export const webhooksAnalyzer: Analyzer = {
  name: 'webhook.Analyzer',
  description: 'Checks the validity of Istio webhooks',
  inputs: ['MutatingWebhookConfiguration', 'Service'],
  analyze: ({ objects }, report) => {
    const revisions = new Set<string>();
    const injectors: Injector[] = [];
    for (const configuration of objects.all('MutatingWebhookConfiguration')) {
      const own = revisionsOf(configuration);
      const webhooks = mapsOf(configuration.object['webhooks']);
      const isIstio = webhooks.some((webhook) => textOf(webhook['name']).endsWith('istio.io'));
      if (own.length === 0 && !isIstio) continue;
      for (const revision of own) revisions.add(revision);
      for (const webhook of webhooks) {
        injectors.push({ configuration, webhook, name: `${configuration.fullName}/${textOf(webhook['name'])}` });
      }
    }
    checkOverlaps(injectors, [...revisions], report);
    checkServices(injectors, objects, report);
  },
};

/** Every combination of labels that namespaces or pods may have; each may match one injector at most. */
function combinations(key: string, values: readonly string[], revisions: readonly string[]): Labels[] {
  const plain: Labels[] = [{}, ...values.map((value) => ({ [key]: value }))];
  return [...plain, ...revisions.flatMap((revision) => plain.map((labels) => ({ ...labels, [REVISION]: revision })))];
}

function checkOverlaps(
  injectors: readonly Injector[],
  revisions: readonly string[],
  report: (message: Message) => void,
): void {
  for (const ofNamespace of combinations(INJECTION, ['enabled', 'disabled'], revisions)) {
    const candidates = injectors.filter(({ webhook }) => webhookSelects(webhook['namespaceSelector'], ofNamespace));
    for (const ofPod of combinations(SIDECAR_INJECT, ['true', 'false'], revisions)) {
      const matches = candidates.filter(({ webhook }) => webhookSelects(webhook['objectSelector'], ofPod));
      for (const { name, configuration } of matches) {
        const others = [...new Set(matches.map((match) => match.name))].filter((other) => other !== name).toSorted();
        if (others.length === 0) continue;
        const text = `Webhook overlaps with others: [${others.join(' ')}]. This may cause injection to occur twice.`;
        report(messageOf('IST0139', configuration, text));
      }
    }
  }
}

function checkServices(injectors: readonly Injector[], objects: Inventory, report: (message: Message) => void): void {
  for (const { configuration, webhook } of injectors) {
    const service = optionalMap(mapOf(webhook['clientConfig'])['service']);
    if (service === undefined) continue;
    const [namespace, name] = [textOf(service['namespace']), textOf(service['name'])];
    const fullName = namespace === '' ? name : `${namespace}/${name}`;
    if (objects.find('Service', fullName) !== undefined) continue;
    const text = `Injector refers to a control plane service that does not exist: ${fullName}.`;
    report(messageOf('IST0139', configuration, text));
  }
}

/** Revisions that a configuration speaks of. */
function revisionsOf(configuration: Subject): string[] {
  const found = configuration.labels[REVISION] === undefined ? [] : [configuration.labels[REVISION]];
  for (const webhook of mapsOf(configuration.object['webhooks'])) {
    for (const field of ['namespaceSelector', 'objectSelector']) {
      const selector = mapOf(webhook[field]);
      const label = mapOf(selector['matchLabels'])[REVISION];
      if (typeof label === 'string') found.push(label);
      for (const expression of mapsOf(selector['matchExpressions'])) {
        if (expression['key'] === REVISION) found.push(...textsOf(expression['values']));
      }
    }
  }
  return found;
}
