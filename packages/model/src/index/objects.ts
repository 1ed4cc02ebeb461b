// The objects that the model knows, by kind, namespace and name, with the indices that translations ask.
// In: upserts and deletions. Out: look-ups. Called by model.ts (writes) and view.ts (reads).
import type { KindName, KubernetesObject, ObjectOf } from '@ambit/resources';
import { SelectorIndex } from './selector-index.ts';
import { MultiMap } from './multi-map.ts';

/** `<namespace>/<name>`, with an empty namespace for cluster-wide kinds. */
export type ObjectKey = string;

/** Kinds that the model reads. */
export const modelKinds = [
  'Namespace',
  'Node',
  'Pod',
  'Service',
  'EndpointSlice',
  'GatewayClass',
  'Gateway',
  'ListenerSet',
  'HTTPRoute',
  'GRPCRoute',
  'TCPRoute',
  'TLSRoute',
  'VirtualService',
  'DestinationRule',
  'AuthorizationPolicy',
  'PeerAuthentication',
  'RequestAuthentication',
  'Telemetry',
  'EnvoyFilter',
  'ServiceEntry',
  'WorkloadEntry',
] as const satisfies readonly KindName[];

/** Name of a kind that the model reads. */
export type ModelKind = (typeof modelKinds)[number];

/** Key of an object. */
export function keyOf(object: KubernetesObject): ObjectKey {
  return `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
}

/** Mutable store of input objects. */
export class Objects {
  readonly #byKind = new Map<ModelKind, Map<ObjectKey, KubernetesObject>>();
  readonly #byNamespace = new MultiMap<string, ObjectKey>();
  /** Services and ServiceEntries by their selectors; items are `Service <key>` and `ServiceEntry <key>`. */
  readonly selectors = new SelectorIndex();
  /** Hostname -> `Service <key>` and `ServiceEntry <key>`. */
  readonly hosts = new MultiMap<string, string>();
  /** Pod key -> slice keys whose endpoints name it. */
  readonly slicesOfPod = new MultiMap<ObjectKey, ObjectKey>();
  /** Service key -> slice keys. */
  readonly slicesOfService = new MultiMap<ObjectKey, ObjectKey>();
  /** `<namespace>/<gateway>` -> keys of pods that are its instances. */
  readonly podsOfGateway = new MultiMap<ObjectKey, ObjectKey>();

  /** Keys of ConfigMaps that Gateways name -> whether they exist; nothing while nobody looked. */
  readonly parameters = new Map<ObjectKey, boolean>();

  /** `<kind> <namespace>/<name>` of a parent -> `<kind> <key>` of routes of any kind. */
  readonly routesOfParent = new MultiMap<string, string>();

  get<K extends ModelKind>(kind: K, key: ObjectKey): ObjectOf<K> | undefined {
    return this.#byKind.get(kind)?.get(key) as ObjectOf<K> | undefined;
  }

  set(kind: ModelKind, key: ObjectKey, object: KubernetesObject): void {
    let map = this.#byKind.get(kind);
    if (map === undefined) this.#byKind.set(kind, (map = new Map()));
    map.set(key, object);
    this.#byNamespace.add(`${kind} ${key.slice(0, key.indexOf('/'))}`, key);
  }

  delete(kind: ModelKind, key: ObjectKey): void {
    this.#byKind.get(kind)?.delete(key);
    this.#byNamespace.remove(`${kind} ${key.slice(0, key.indexOf('/'))}`, key);
  }

  /** Keys of all objects of a kind in a namespace. */
  inNamespace(kind: ModelKind, namespace: string): Iterable<ObjectKey> {
    return this.#byNamespace.get(`${kind} ${namespace}`);
  }

  /** All objects of a kind. */
  *all<K extends ModelKind>(kind: K): Iterable<[ObjectKey, ObjectOf<K>]> {
    for (const [key, object] of this.#byKind.get(kind) ?? []) yield [key, object as unknown as ObjectOf<K>];
  }

  /** Number of objects of a kind. */
  count(kind: ModelKind): number {
    return this.#byKind.get(kind)?.size ?? 0;
  }
}
