// Another cluster of the mesh (spec control-plane 2.12 W28, 2.13, 8.3): a translation of its own over its objects, and the look-ups that the
// translation of our cluster asks. In: changes of that cluster. Out: which hostnames and workloads changed. Owned by the control plane, which
// hands it to Model.setRemote; pure, one thread. A cluster that sends nothing, or nonsense, changes nothing but its own part.
import { fromBinary } from '@bufbuild/protobuf';
import { AddressSchema } from '@ambit/proto/workload';
import type { Gateway } from '@ambit/resources';
import { MultiMap } from '../index/multi-map.ts';
import { identityOf } from '../index/view.ts';
import { GATEWAY_SERVICE_ACCOUNT, NETWORK } from '../labels.ts';
import { Model, type ObjectChange } from '../model.ts';
import type { ModelOptions } from '../options.ts';
import type { AddressResource } from '../resource.ts';
import { definitionOf, hostnameOf, type ServiceDefinition } from '../translate/service/definition.ts';
import type { NetworkGateway } from '../translate/workload/network-gateway.ts';
import { isGlobal } from '../translate/service/scope.ts';

/** A workload of a service in another cluster. */
export interface RemoteMember {
  readonly network: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** At least 1. */
  readonly capacity: number;
}

/** What changed in a cluster: hostnames of services, uids of workloads. */
export interface RemoteChange {
  readonly hostnames: ReadonlySet<string>;
  readonly workloads: ReadonlySet<string>;
  readonly hasGatewayChange: boolean;
}

interface Known extends RemoteMember {
  readonly resource: AddressResource;
  readonly hostnames: readonly string[];
}

/** One other cluster. */
export class RemoteCluster {
  readonly id: string;
  readonly #model: Model;
  readonly #workloads = new Map<string, Known>();
  readonly #byHostname = new MultiMap<string, string>();
  readonly #services = new Map<string, string>();
  #gateways: readonly NetworkGateway[] = [];

  /** `local` are the options of our own cluster. */
  constructor(id: string, local: ModelOptions) {
    this.id = id;
    // What is remote is decided by the cluster that looks; policies are ours, which the caller applies here as well (M7).
    this.#model = new Model({
      ...local,
      clusterId: id,
      multiNetwork: false,
      discoverySelectors: local.discoverySelectors,
    });
  }

  /** Applies changes of that cluster, or of policies of ours. */
  apply(changes: Iterable<ObjectChange>): RemoteChange {
    const list = [...changes];
    const { addresses } = this.#model.apply(list);
    const hostnames = new Set<string>();
    const workloads = new Set<string>();
    for (const name of [...addresses.updated, ...addresses.removed]) {
      const resource = this.#model.addresses.get(name);
      const isWorkload = this.#workloads.has(name) || resource?.kind === 'workload';
      if (isWorkload) this.#takeWorkload(name, resource, hostnames, workloads);
      else hostnames.add(name.slice(name.indexOf('/') + 1));
    }
    for (const change of list) this.#noteService(change, hostnames);
    const gateways = this.#gatewaysNow();
    const hasGatewayChange = JSON.stringify(gateways) !== JSON.stringify(this.#gateways);
    this.#gateways = gateways;
    return { hostnames, workloads, hasGatewayChange };
  }

  /** Everything, as if all of it had changed. */
  get all(): RemoteChange {
    const hostnames = new Set([...this.#services.keys(), ...[...this.#workloads.values()].flatMap((w) => w.hostnames)]);
    return { hostnames, workloads: new Set(this.#workloads.keys()), hasGatewayChange: this.#gateways.length > 0 };
  }

  /** The Service behind a hostname, when it is global there. */
  serviceOf(hostname: string): ServiceDefinition | undefined {
    const item = this.#services.get(hostname);
    const view = this.#model.view();
    const definition = item === undefined ? undefined : definitionOf(view, item, hostname);
    return definition !== undefined && isGlobal(view, definition) ? { ...definition, isRemote: true } : undefined;
  }

  /** Workloads of a hostname, in the order of their uids. */
  membersOf(hostname: string): RemoteMember[] {
    const uids = [...this.#byHostname.get(hostname)].toSorted();
    return uids.map((uid) => this.#workloads.get(uid)).filter((known) => known !== undefined);
  }

  /** A workload, with its network. */
  workload(uid: string): { readonly network: string; readonly resource: AddressResource } | undefined {
    return this.#workloads.get(uid);
  }

  /** Ways into the networks of this cluster. */
  get gateways(): readonly NetworkGateway[] {
    return this.#gateways;
  }

  #takeWorkload(
    name: string,
    resource: AddressResource | undefined,
    hostnames: Set<string>,
    workloads: Set<string>,
  ): void {
    workloads.add(name);
    const before = this.#workloads.get(name);
    for (const hostname of before?.hostnames ?? []) {
      this.#byHostname.remove(hostname, name);
      hostnames.add(hostname);
    }
    this.#workloads.delete(name);
    const known = resource && knownOf(resource);
    if (known === undefined) return;
    this.#workloads.set(name, known);
    for (const hostname of known.hostnames) {
      this.#byHostname.add(hostname, name);
      hostnames.add(hostname);
    }
  }

  /** Labels decide whether a Service is global, and are not part of what is published. */
  #noteService(change: ObjectChange, hostnames: Set<string>): void {
    const isDelete = change.type === 'delete';
    const kind = isDelete ? change.kind : change.object.kind;
    if (kind === 'Namespace') for (const hostname of this.#services.keys()) hostnames.add(hostname);
    if (kind !== 'Service') return;
    const { namespace, name } = isDelete ? change : identityOf(change.object);
    const hostname = hostnameOf(namespace, name, this.#model.options.domain);
    if (isDelete) this.#services.delete(hostname);
    else this.#services.set(hostname, `Service ${namespace}/${name}`);
    hostnames.add(hostname);
  }

  #gatewaysNow(): NetworkGateway[] {
    return this.#model
      .view()
      .all('Gateway')
      .flatMap((gateway) => eastWestGatewaysOf(gateway, this.id));
  }
}

function knownOf(resource: AddressResource): Known | undefined {
  const { type } = fromBinary(AddressSchema, resource.bytes);
  if (type.case !== 'workload') return undefined;
  const { network, namespace, serviceAccount, capacity, services } = type.value;
  const hostnames = Object.keys(services).map((key) => key.slice(key.indexOf('/') + 1));
  return { resource, hostnames, network, namespace, serviceAccount, capacity: Math.max(capacity ?? 1, 1) };
}

/** An east-west Gateway that ends TLS leads into the network that its label names; its port is not told (W28). */
function eastWestGatewaysOf(gateway: Gateway, clusterId: string): NetworkGateway[] {
  const network = gateway.metadata.labels?.[NETWORK] ?? '';
  const ends = (gateway.spec?.listeners ?? []).some(
    ({ protocol, tls }) => protocol === 'HBONE' && (tls?.mode ?? 'Terminate') === 'Terminate' && tls !== undefined,
  );
  if (gateway.spec?.gatewayClassName !== 'istio-east-west' || network === '' || !ends) return [];
  const { namespace, name } = identityOf(gateway);
  const serviceAccount = gateway.metadata.annotations?.[GATEWAY_SERVICE_ACCOUNT] ?? name;
  return (gateway.status?.addresses ?? [])
    .filter((a) => (a.type === 'IPAddress' || a.type === 'Hostname') && (a.value ?? '') !== '')
    .map((a) => ({ network, name, address: a.value ?? '', port: 0, namespace, serviceAccount, clusterId }));
}
