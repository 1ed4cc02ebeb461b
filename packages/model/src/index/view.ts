// What one translation may ask. Every question is remembered as a dependency, so that the model knows which results a change
// touches. In: questions of translate/*. Out: input objects. A view lives for one computation of one unit.
import type { GRPCRoute, HTTPRoute, KubernetesObject, ObjectOf, TCPRoute, TLSRoute } from '@ambit/resources';
import type { Labels } from '../labels.ts';
import type { ModelOptions } from '../options.ts';
import type { RemoteCluster, RemoteMember } from '../remote/remote-cluster.ts';
import type { ServiceDefinition } from '../translate/service/definition.ts';
import type { NetworkGateway } from '../translate/workload/network-gateway.ts';
import { type ModelKind, type ObjectKey, Objects } from './objects.ts';

/** A route of either kind. */
export type AnyRoute =
  | { readonly kind: 'HTTPRoute'; readonly object: HTTPRoute }
  | { readonly kind: 'GRPCRoute'; readonly object: GRPCRoute };

/** A route of connections. */
export type StreamRoute =
  | { readonly kind: 'TCPRoute'; readonly object: TCPRoute }
  | { readonly kind: 'TLSRoute'; readonly object: TLSRoute };

/** Reads of one computation. */
export class View {
  readonly options: ModelOptions;
  readonly dependencies = new Set<string>();
  /** What could not be taken over in full; operators read it among the problems. */
  readonly notes: string[] = [];
  readonly #objects: Objects;
  readonly #remotes: ReadonlyMap<string, RemoteCluster>;

  constructor(objects: Objects, options: ModelOptions, remotes: ReadonlyMap<string, RemoteCluster> = new Map()) {
    this.#objects = objects;
    this.options = options;
    this.#remotes = options.multiNetwork ? remotes : new Map();
  }

  /** Tells that something was left out; one text is enough for one computation. */
  note(text: string): void {
    if (this.notes.length === 0) this.notes.push(text);
  }

  /** One object by kind and `<namespace>/<name>`. */
  get<K extends ModelKind>(kind: K, key: ObjectKey): ObjectOf<K> | undefined {
    this.dependencies.add(`${kind} ${key}`);
    return this.#objects.get(kind, key);
  }

  /** Labels of a namespace; empty when it is unknown. */
  namespaceLabels(name: string): Labels {
    return this.get('Namespace', `/${name}`)?.metadata.labels ?? {};
  }

  /** Annotations of a namespace; empty when it is unknown. */
  namespaceAnnotations(name: string): Labels {
    return this.get('Namespace', `/${name}`)?.metadata.annotations ?? {};
  }

  /** Network of this cluster: a label of the system namespace. */
  network(): string {
    return this.namespaceLabels(this.options.systemNamespace)['topology.istio.io/network'] ?? '';
  }

  /** All objects of a kind in a namespace, in order of name. */
  inNamespace<K extends ModelKind>(kind: K, namespace: string): ObjectOf<K>[] {
    this.dependencies.add(`${kind}s of ${namespace}`);
    return this.#pick(kind, this.#objects.inNamespace(kind, namespace));
  }

  /** All objects of a kind, in order of namespace and name. */
  all<K extends ModelKind>(kind: K): ObjectOf<K>[] {
    this.dependencies.add(`all ${kind}s`);
    return [...this.#objects.all(kind)].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  /** `Service <key>` and `ServiceEntry <key>` items of a namespace whose selector matches the labels. */
  selecting(namespace: string, labels: Labels): string[] {
    this.dependencies.add(`selectors of ${namespace}`);
    return this.#objects.selectors.matching(namespace, labels).toSorted();
  }

  /** `Service <key>` and `ServiceEntry <key>` items that define a hostname. */
  definersOf(hostname: string): string[] {
    this.dependencies.add(`host ${hostname}`);
    return [...this.#objects.hosts.get(hostname)].toSorted();
  }

  /** Whether a ConfigMap that a Gateway names exists; undefined while nobody looked. */
  hasParameters(key: ObjectKey): boolean | undefined {
    this.dependencies.add(`parameters ${key}`);
    return this.#objects.parameters.get(key);
  }

  /** Slices with an endpoint that names the pod. */
  slicesOfPod(key: ObjectKey): ObjectOf<'EndpointSlice'>[] {
    this.dependencies.add(`slices of pod ${key}`);
    return this.#pick('EndpointSlice', this.#objects.slicesOfPod.get(key));
  }

  /** Slices of a Service. */
  slicesOfService(key: ObjectKey): ObjectOf<'EndpointSlice'>[] {
    this.dependencies.add(`slices of service ${key}`);
    return this.#pick('EndpointSlice', this.#objects.slicesOfService.get(key));
  }

  /** Pods that are instances of a Gateway. */
  podsOfGateway(key: ObjectKey): ObjectOf<'Pod'>[] {
    this.dependencies.add(`pods of gateway ${key}`);
    return this.#pick('Pod', this.#objects.podsOfGateway.get(key));
  }

  /** Routes that name the parent `<kind> <namespace>/<name>`. */
  routesOfParent(parent: string): AnyRoute[] {
    this.dependencies.add(`routes of ${parent}`);
    const routes: AnyRoute[] = [];
    for (const item of [...this.#objects.routesOfParent.get(parent)].toSorted()) {
      const key = item.slice(item.indexOf(' ') + 1);
      const http = item.startsWith('HTTPRoute ') ? this.get('HTTPRoute', key) : undefined;
      const grpc = item.startsWith('GRPCRoute ') ? this.get('GRPCRoute', key) : undefined;
      if (http !== undefined) routes.push({ kind: 'HTTPRoute', object: http });
      if (grpc !== undefined) routes.push({ kind: 'GRPCRoute', object: grpc });
    }
    return routes;
  }

  /** Routes of connections that name the parent. */
  streamRoutesOfParent(parent: string): StreamRoute[] {
    this.dependencies.add(`routes of ${parent}`);
    const routes: StreamRoute[] = [];
    for (const item of [...this.#objects.routesOfParent.get(parent)].toSorted()) {
      const key = item.slice(item.indexOf(' ') + 1);
      const tcp = item.startsWith('TCPRoute ') ? this.get('TCPRoute', key) : undefined;
      const tls = item.startsWith('TLSRoute ') ? this.get('TLSRoute', key) : undefined;
      if (tcp !== undefined) routes.push({ kind: 'TCPRoute', object: tcp });
      if (tls !== undefined) routes.push({ kind: 'TLSRoute', object: tls });
    }
    return routes;
  }

  /** Global Services of other clusters behind a hostname. */
  remoteServices(hostname: string): ServiceDefinition[] {
    return this.#ofRemotes(`remote host ${hostname}`, (remote) => remote.serviceOf(hostname) ?? []);
  }

  /** Workloads of other clusters behind a hostname. */
  remoteMembers(hostname: string): RemoteMember[] {
    return this.#ofRemotes(`remote host ${hostname}`, (remote) => remote.membersOf(hostname));
  }

  /** A workload of another cluster. */
  remoteWorkload(uid: string): ReturnType<RemoteCluster['workload']> {
    return this.#ofRemotes(`remote workload ${uid}`, (remote) => remote.workload(uid) ?? [])[0];
  }

  /** Ways into the networks of other clusters. */
  remoteGateways(): NetworkGateway[] {
    return this.#ofRemotes('remote gateways', (remote) => remote.gateways);
  }

  /** Answers of other clusters, in the order of their ids. Without any cluster nothing is asked, and nothing remembered. */
  #ofRemotes<T>(question: string, ask: (remote: RemoteCluster) => T | readonly T[]): T[] {
    if (!this.options.multiNetwork) return [];
    this.dependencies.add(question);
    const remotes = [...this.#remotes].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return remotes.flatMap(([, remote]) => ask(remote));
  }

  /** Pods of a namespace, for questions about their labels only: other changes of a pod do not count. */
  labelledPods(namespace: string): ObjectOf<'Pod'>[] {
    this.dependencies.add(`pod labels of ${namespace}`);
    return this.#pick('Pod', this.#objects.inNamespace('Pod', namespace));
  }

  #pick<K extends ModelKind>(kind: K, keys: Iterable<ObjectKey>): ObjectOf<K>[] {
    const found: ObjectOf<K>[] = [];
    for (const key of [...keys].toSorted()) {
      const object = this.#objects.get(kind, key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }
}

/** Name and namespace of an object that has both. */
export function identityOf(object: KubernetesObject): { namespace: string; name: string; key: ObjectKey } {
  const namespace = object.metadata?.namespace ?? '';
  const name = object.metadata?.name ?? '';
  return { namespace, name, key: `${namespace}/${name}` };
}
