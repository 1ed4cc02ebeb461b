// An object changed: which questions have another answer now? In: old and new object. Out: updated indices and touched
// dependencies, in the words of view.ts. Called by model.ts for every change.
import type {
  AuthorizationPolicy,
  EndpointSlice,
  HTTPRoute,
  KubernetesObject,
  PeerAuthentication,
  Pod,
  Service,
  ServiceEntry,
} from '@ambit/resources';
import { GATEWAY_NAME, isSubset, type Labels, SERVICE_NAME } from '../labels.ts';
import { hostnameOf } from '../translate/service/definition.ts';
import { parentKey } from '../translate/waypoint-config/parents.ts';
import type { ModelKind, ObjectKey, Objects } from './objects.ts';

/** Says that the answer to a question changed; with a filter, only for askers with these labels. */
export type Touch = (dependency: string, concerns?: (labels: Labels) => boolean) => void;

const ROUTE_KINDS: ReadonlySet<string> = new Set(['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute']);

interface Change<T> {
  readonly key: ObjectKey;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** Stores the new object (or removes it) and touches what depended on the old one. False when nothing relevant changed. */
export function store(
  objects: Objects,
  domain: string,
  kind: ModelKind,
  key: ObjectKey,
  after: KubernetesObject | undefined,
  touch: Touch,
): boolean {
  const before = objects.get(kind, key) as KubernetesObject | undefined;
  if (before === undefined && after === undefined) return false;
  if (after === undefined) objects.delete(kind, key);
  else objects.set(kind, key, after);
  if (before !== undefined && after !== undefined && isSameForModel(kind, before, after)) return false;
  const namespace = key.slice(0, key.indexOf('/'));
  touch(`${kind} ${key}`);
  touch(`${kind}s of ${namespace}`, concernOf(kind, before, after));
  touch(`all ${kind}s`);
  const change = { key, before, after };
  if (kind === 'Pod') indexPod(objects, change as Change<Pod>, touch);
  if (kind === 'Service') indexService(objects, domain, change as Change<Service>, touch);
  if (kind === 'ServiceEntry') indexServiceEntry(objects, change as Change<ServiceEntry>, touch);
  if (ROUTE_KINDS.has(kind)) indexRoute(objects, kind, change as Change<HTTPRoute>, touch);
  if (kind === 'EndpointSlice') indexSlice(objects, change as Change<EndpointSlice>, touch);
  return true;
}

/** Nodes and Gateways are rewritten all the time without any meaning for us; so are the conditions that we write ourselves. */
function isSameForModel(kind: ModelKind, before: KubernetesObject, after: KubernetesObject): boolean {
  switch (kind) {
    case 'Node':
      return same(before.metadata?.labels, after.metadata?.labels);
    case 'Namespace':
      return (
        same(before.metadata?.labels, after.metadata?.labels) &&
        same(before.metadata?.annotations, after.metadata?.annotations)
      );
    case 'Gateway':
    case 'ServiceEntry': {
      const addresses = (o: KubernetesObject): unknown =>
        (o['status'] as { addresses?: unknown } | undefined)?.addresses;
      return sameDefinition(before, after) && same(addresses(before), addresses(after));
    }
    case 'Service': {
      const ingress = (o: KubernetesObject): unknown =>
        (o['status'] as { loadBalancer?: unknown } | undefined)?.loadBalancer;
      return sameDefinition(before, after) && same(ingress(before), ingress(after));
    }
    case 'Pod':
    case 'EndpointSlice':
      return false;
    default:
      return sameDefinition(before, after);
  }
}

function sameDefinition(before: KubernetesObject, after: KubernetesObject): boolean {
  return (
    before.metadata?.generation === after.metadata?.generation &&
    before.metadata?.uid === after.metadata?.uid &&
    before.metadata?.creationTimestamp === after.metadata?.creationTimestamp &&
    before.metadata?.deletionTimestamp === after.metadata?.deletionTimestamp &&
    same(before.metadata?.labels, after.metadata?.labels) &&
    same(before.metadata?.annotations, after.metadata?.annotations) &&
    same(before['spec'], after['spec'])
  );
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Policies with a selector concern only workloads that one of the two selectors matches. */
function concernOf(
  kind: ModelKind,
  before: KubernetesObject | undefined,
  after: KubernetesObject | undefined,
): ((labels: Labels) => boolean) | undefined {
  if (kind !== 'AuthorizationPolicy' && kind !== 'PeerAuthentication') return undefined;
  const selectors = [before, after]
    .filter((o) => o !== undefined)
    .map((o) => (o as AuthorizationPolicy | PeerAuthentication).spec?.selector?.matchLabels ?? {});
  if (selectors.some((s) => Object.keys(s).length === 0)) return undefined;
  return (labels) => selectors.some((s) => isSubset(s, labels));
}

function indexPod(objects: Objects, { key, before, after }: Change<Pod>, touch: Touch): void {
  const namespace = key.slice(0, key.indexOf('/'));
  const isSameSet = before !== undefined && after !== undefined && same(before.metadata.labels, after.metadata.labels);
  if (!isSameSet) touch(`pod labels of ${namespace}`);
  const gatewayOf = (pod: Pod | undefined): string | undefined => {
    const name = pod?.metadata.labels?.[GATEWAY_NAME];
    return name === undefined ? undefined : `${namespace}/${name}`;
  };
  const [old, now] = [gatewayOf(before), gatewayOf(after)];
  if (old !== undefined && old !== now) objects.podsOfGateway.remove(old, key);
  if (now !== undefined) objects.podsOfGateway.add(now, key);
  for (const gateway of new Set([old, now])) if (gateway !== undefined) touch(`pods of gateway ${gateway}`);
}

function indexService(objects: Objects, domain: string, { key, before, after }: Change<Service>, touch: Touch): void {
  const slash = key.indexOf('/');
  const namespace = key.slice(0, slash);
  const host = hostnameOf(namespace, key.slice(slash + 1), domain);
  if (after === undefined) objects.hosts.remove(host, `Service ${key}`);
  else objects.hosts.add(host, `Service ${key}`);
  if (before === undefined || after === undefined) touch(`host ${host}`);
  indexSelector(objects, `Service ${key}`, namespace, before?.spec?.selector, after?.spec?.selector, touch);
}

function indexServiceEntry(objects: Objects, { key, before, after }: Change<ServiceEntry>, touch: Touch): void {
  const namespace = key.slice(0, key.indexOf('/'));
  for (const host of before?.spec?.hosts ?? []) {
    objects.hosts.remove(host, `ServiceEntry ${key}`);
    touch(`host ${host}`);
  }
  for (const host of after?.spec?.hosts ?? []) {
    objects.hosts.add(host, `ServiceEntry ${key}`);
    touch(`host ${host}`);
  }
  const [old, now] = [before?.spec?.workloadSelector?.labels, after?.spec?.workloadSelector?.labels];
  indexSelector(objects, `ServiceEntry ${key}`, namespace, old, now, touch);
}

function indexRoute(objects: Objects, kind: string, { key, before, after }: Change<HTTPRoute>, touch: Touch): void {
  const namespace = key.slice(0, key.indexOf('/'));
  const parentsOf = (route: HTTPRoute | undefined): string[] =>
    (route?.spec?.parentRefs ?? []).map((ref) => parentKey(ref, namespace)).filter((parent) => parent !== undefined);
  for (const parent of parentsOf(before)) {
    objects.routesOfParent.remove(parent, `${kind} ${key}`);
    touch(`routes of ${parent}`);
  }
  for (const parent of parentsOf(after)) {
    objects.routesOfParent.add(parent, `${kind} ${key}`);
    touch(`routes of ${parent}`);
  }
}

function indexSelector(
  objects: Objects,
  item: string,
  namespace: string,
  before: Labels | undefined,
  after: Labels | undefined,
  touch: Touch,
): void {
  objects.selectors.set(item, namespace, after);
  const selectors = [before, after].filter((s) => s !== undefined && Object.keys(s).length > 0) as Labels[];
  if (selectors.length > 0) touch(`selectors of ${namespace}`, (labels) => selectors.some((s) => isSubset(s, labels)));
}

function indexSlice(objects: Objects, { key, before, after }: Change<EndpointSlice>, touch: Touch): void {
  const [old, now] = [podsOf(before), podsOf(after)];
  for (const [pod, uid] of old) {
    if (now.get(pod) === uid) continue;
    if (!now.has(pod)) objects.slicesOfPod.remove(pod, key);
    touch(`slices of pod ${pod}`);
  }
  for (const [pod, uid] of now) {
    objects.slicesOfPod.add(pod, key);
    if (old.get(pod) !== uid) touch(`slices of pod ${pod}`);
  }
  const namespace = key.slice(0, key.indexOf('/'));
  const [oldService, service] = [before, after].map((s) => s?.metadata.labels?.[SERVICE_NAME]);
  // A slice that changes its service or type changes the membership of all its pods.
  if (oldService !== service || before?.addressType !== after?.addressType) {
    for (const pod of new Set([...old.keys(), ...now.keys()])) touch(`slices of pod ${pod}`);
  }
  if (oldService !== undefined && oldService !== service)
    objects.slicesOfService.remove(`${namespace}/${oldService}`, key);
  if (service !== undefined && after !== undefined) objects.slicesOfService.add(`${namespace}/${service}`, key);
  if (oldService !== undefined && after === undefined)
    objects.slicesOfService.remove(`${namespace}/${oldService}`, key);
  for (const name of new Set([oldService, service])) {
    if (name !== undefined) touch(`slices of service ${namespace}/${name}`);
  }
}

function podsOf(slice: EndpointSlice | undefined): Map<ObjectKey, string> {
  const pods = new Map<ObjectKey, string>();
  for (const { targetRef } of slice?.endpoints ?? []) {
    if (targetRef?.kind === 'Pod')
      pods.set(`${targetRef.namespace ?? ''}/${targetRef.name ?? ''}`, targetRef.uid ?? '');
  }
  return pods;
}
