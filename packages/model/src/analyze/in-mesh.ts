// Who takes part in the mesh, and how (spec control-plane 1.1, 10.3). Called by analyzers. Pure.
import { REDIRECTION, REVISION, type Labels } from '../labels.ts';
import { type Json, mapOf, mapsOf, textOf } from '../validate/json.ts';
import type { Inventory } from './inventory.ts';
import type { Subject } from './subject.ts';

/** Name of the proxy container of a sidecar. */
export const PROXY_CONTAINER = 'istio-proxy';
/** Label that switches injection of a pod on and off. */
export const SIDECAR_INJECT = 'sidecar.istio.io/inject';
/** Label of namespaces for injection. */
export const INJECTION = 'istio-injection';
/** Label of namespaces and pods for ambient. */
export const DATAPLANE_MODE = 'istio.io/dataplane-mode';

/** Containers and init containers of a pod spec. */
export function allContainers(spec: Json): Json[] {
  return [...mapsOf(spec['containers']), ...mapsOf(spec['initContainers'])];
}

/** True when the pod has, or would get, a sidecar. */
export function isPodInSidecarMesh(pod: Subject, objects: Inventory): boolean {
  return isInSidecarMesh(pod.annotations, pod.labels, pod.namespace, allContainers(pod.spec), objects);
}

/** True when pods of the Deployment have, or would get, a sidecar. */
export function isDeploymentInSidecarMesh(deployment: Subject, objects: Inventory): boolean {
  const template = mapOf(deployment.spec['template']);
  const { annotations, labels } = mapOf(template['metadata']);
  const containers = mapsOf(mapOf(template['spec'])['containers']);
  return isInSidecarMesh(
    mapOf(annotations) as Labels,
    mapOf(labels) as Labels,
    deployment.namespace,
    containers,
    objects,
  );
}

function isInSidecarMesh(
  annotations: Labels,
  labels: Labels,
  namespace: string,
  containers: readonly Json[],
  objects: Inventory,
): boolean {
  const proxy = containers.find((container) => container['name'] === PROXY_CONTAINER);
  if (textOf(proxy?.['image']) !== '') return true;
  const own = labels[SIDECAR_INJECT] ?? annotations[SIDECAR_INJECT];
  if (own !== undefined) return own === 'true';
  return objects.find('Namespace', namespace)?.labels[INJECTION] === 'enabled';
}

/** True when a node proxy serves the pod. */
export function isPodCaptured(pod: Subject): boolean {
  return pod.annotations[REDIRECTION] === 'enabled';
}

/** True when the namespace is enrolled and has no injection label that would win. */
export function isAmbientNamespace(namespace: Subject | undefined): boolean {
  if (namespace === undefined || namespace.labels[INJECTION] === 'enabled') return false;
  return (namespace.labels[REVISION] ?? '') === '' && namespace.labels[DATAPLANE_MODE] === 'ambient';
}

/** True for parts of the mesh itself. */
export function isControlPlane(subject: Subject): boolean {
  return subject.labels['istio'] !== undefined || subject.labels['release'] === 'istio';
}

/** Name of the injector's ConfigMap of a revision. */
export function injectorConfigMap(revision: string): string {
  return revision === '' || revision === 'default' ? 'istio-sidecar-injector' : `istio-sidecar-injector-${revision}`;
}
