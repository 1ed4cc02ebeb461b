// injection.Analyzer: namespaces and pods of the sidecar mode (IST0102, IST0103, IST0123, IST0148); ambient ones are left alone.
import { REVISION } from '../../labels.ts';
import { mapOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText } from '../go-text.ts';
import {
  allContainers,
  DATAPLANE_MODE,
  INJECTION,
  injectorConfigMap,
  PROXY_CONTAINER,
  SIDECAR_INJECT,
} from '../in-mesh.ts';
import type { Inventory } from '../inventory.ts';
import { type Message, messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

type Report = (message: Message) => void;
const SYSTEM = 'istio-system';

/** See the file's comment. */
export const injectionAnalyzer: Analyzer = {
  name: 'injection.Analyzer',
  description: 'Checks conditions related to Istio sidecar injection',
  inputs: ['Namespace', 'Pod', 'ConfigMap'],
  analyze: ({ objects }, report) => {
    const injected = new Set<string>();
    let isDefault = false;
    for (const namespace of objects.all('Namespace')) {
      if (namespace.name === SYSTEM) continue;
      warnAboutLabels(namespace, report);
      if (namespace.labels[DATAPLANE_MODE] === 'ambient') continue;
      isDefault = isInjectedByDefault(namespace, objects) ?? isDefault;
      if ((namespace.labels[INJECTION] ?? '') === '' && namespace.labels[REVISION] === undefined) {
        report(isDefault ? injectedByDefault(namespace) : notInjected(namespace));
      } else if (namespace.labels[INJECTION] === 'enabled') injected.add(namespace.name);
    }
    for (const pod of objects.all('Pod')) {
      if (injected.has(pod.namespace) && isProxyMissing(pod)) {
        report(
          messageOf(
            'IST0103',
            pod,
            `The pod ${pod.fullName} is missing the Istio proxy. This can often be resolved by restarting or redeploying the workload.`,
          ),
        );
      }
    }
  },
};

function warnAboutLabels(namespace: Subject, report: Report): void {
  const { labels } = namespace;
  const injection = labels[INJECTION];
  const told = injection === undefined ? [] : [`${INJECTION}=${injection}`];
  for (const key of [REVISION, DATAPLANE_MODE]) {
    if (labels[key] !== undefined && (injection === undefined || injection === 'enabled')) {
      told.push(`${key}=${labels[key]}`);
    }
  }
  if (told.length < 2) return;
  report(
    messageOf(
      'IST0123',
      namespace,
      `The namespace has more than one type of injection labels ${listText(told)}, which may lead to undefined behavior. Make sure only one injection label exists.`,
    ),
  );
}

const injectedByDefault = (namespace: Subject): Message =>
  messageOf(
    'IST0148',
    namespace,
    'is enabled for Istio injection, as Istio is installed with enableNamespacesByDefault as true.',
  );

const notInjected = (namespace: Subject): Message =>
  messageOf(
    'IST0102',
    namespace,
    `The namespace is not enabled for Istio injection. Run 'kubectl label namespace ${namespace.name} istio-injection=enabled' to enable it, or 'kubectl label namespace ${namespace.name} istio-injection=disabled' to explicitly mark it as not needing injection.`,
    '.metadata.name',
  );

/** What the injector of the namespace's revision says; undefined when there is no such injector. */
function isInjectedByDefault(namespace: Subject, objects: Inventory): boolean | undefined {
  const name = injectorConfigMap(namespace.labels[REVISION] ?? '');
  const config = [...objects.all('ConfigMap')].find((map) => map.name === name);
  if (config === undefined) return undefined;
  try {
    const values = mapOf(JSON.parse(textOf(mapOf(config.object['data'])['values'])));
    return mapOf(values['sidecarInjectorWebhook'])['enableNamespacesByDefault'] === true;
  } catch {
    return false;
  }
}

function isProxyMissing(pod: Subject): boolean {
  const wish = pod.labels[SIDECAR_INJECT] ?? pod.annotations[SIDECAR_INJECT] ?? '';
  if (wish.toLowerCase() === 'false' || pod.spec['hostNetwork'] === true) return false;
  const proxy = allContainers(pod.spec).find((container) => container['name'] === PROXY_CONTAINER);
  return textOf(proxy?.['image']) === '';
}
