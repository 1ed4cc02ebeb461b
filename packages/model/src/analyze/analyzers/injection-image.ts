// injection.ImageAnalyzer: sidecars with another image than the injector would give them (IST0158).
import { REVISION, isSubset, type Labels } from '../../labels.ts';
import { type Json, mapOf, optionalMap, textOf } from '../../validate/json.ts';
import { parse } from 'yaml';
import type { AnalysisView, Analyzer } from '../analyzer.ts';
import { listText } from '../go-text.ts';
import { allContainers, INJECTION, injectorConfigMap, PROXY_CONTAINER } from '../in-mesh.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

const INJECTOR = 'istio-sidecar-injector';

/** See the file's comment. */
export const injectionImageAnalyzer: Analyzer = {
  name: 'injection.ImageAnalyzer',
  description: 'Checks the image of auto-injection configured with the running proxies on pods',
  inputs: ['Namespace', 'Pod', 'ConfigMap', 'ProxyConfig'],
  analyze: (view, report) => {
    const { objects } = view;
    const images = new Map<string, string>();
    for (const config of objects.all('ConfigMap')) {
      if (config.name.startsWith(INJECTOR)) images.set(config.name, imageOf(config));
    }
    if (images.size === 0) return;
    const variantOf = imageVariants(view);
    for (const namespace of objects.all('Namespace')) {
      const revision = namespace.labels[REVISION];
      if (namespace.labels[INJECTION] !== 'enabled' && revision === undefined) continue;
      const image = images.get(injectorConfigMap(revision ?? 'default'));
      if (image === undefined) continue;
      const pods = objects
        .podsIn(namespace.name)
        .filter((pod) => textOf(pod.annotations['sidecar.istio.io/proxyImage']) === '')
        .filter((pod) => proxyImages(pod).some((own) => own !== image && own !== `${image}-${variantOf(pod)}`));
      if (pods.length === 0) continue;
      const names = listText(pods.map(({ name }) => name).toSorted());
      report(
        messageOf(
          'IST0158',
          namespace,
          `The Istio proxy images of the pods running in the namespace do not match the image defined in the injection configuration (pod names: ${names}). This often happens after upgrading the Istio control-plane and can be fixed by redeploying the pods.`,
        ),
      );
    }
  },
};

const proxyImages = (pod: Subject): string[] =>
  allContainers(pod.spec)
    .filter((container) => container['name'] === PROXY_CONTAINER)
    .map((container) => textOf(container['image']));

function imageOf(config: Subject): string {
  let values: Json;
  try {
    values = mapOf(JSON.parse(textOf(mapOf(config.object['data'])['values'])));
  } catch {
    return '';
  }
  const global = mapOf(values['global']);
  const image = textOf(mapOf(global['proxy'])['image']);
  return image.includes('/') ? image : `${textOf(global['hub'])}/${image}:${textOf(global['tag'])}`;
}

const typeOf = (config: unknown): string => textOf(mapOf(mapOf(config)['image'])['imageType']);

/** Image type of a pod: mesh, then root namespace, namespace, workload, annotation; the last that is set wins. */
function imageVariants({ objects, mesh }: AnalysisView): (pod: Subject) => string {
  const root = textOf(mesh['rootNamespace']) || 'istio-system';
  const configs = [...objects.all('ProxyConfig')];
  const ofRoot = configs.filter(({ namespace }) => namespace === root).at(-1);
  return (pod) => {
    const own = configs.filter(({ namespace }) => namespace === pod.namespace && namespace !== root);
    const general = own.filter(({ spec }) => optionalMap(spec['selector']) === undefined).at(-1);
    const special = own.filter(
      ({ spec }) =>
        optionalMap(spec['selector']) !== undefined &&
        isSubset(mapOf(mapOf(spec['selector'])['matchLabels']) as Labels, pod.labels),
    );
    const layers = [mesh['defaultConfig'], ofRoot?.spec, general?.spec, ...special.map(({ spec }) => spec)];
    const variant = [...layers, annotated(pod)].map(typeOf).findLast((type) => type !== '') ?? '';
    return variant === 'default' ? '' : variant;
  };
}

function annotated(pod: Subject): unknown {
  try {
    return parse(pod.annotations['proxy.istio.io/config'] ?? '');
  } catch {
    return undefined;
  }
}
