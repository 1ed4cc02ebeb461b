// What operators and their tools may look at (spec control-plane 9.2): one table of pages, served over HTTP on 15014 and 8080 and
// over xDS as `istio.io/debug`. In: the parts of the app. Out: plain values. Pure apart from `adsz?push=true`. Main thread.
import { AuthorizationSchema } from '@ambit/proto/authorization';
import { AddressSchema } from '@ambit/proto/workload';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import type { ClientStatus, XdsServer } from '@ambit/xds/server';
import type { ClusterState } from '../sources/cluster-state.ts';

/** A watched cluster, as `istioctl remote-clusters` reads it. */
export interface ClusterInfo {
  readonly id: string;
  /** `<namespace>/<name>` of the Secret with its credentials; empty for our own. */
  readonly secretName: string;
  readonly syncStatus: 'synced' | 'syncing' | 'timeout' | 'closed';
  /** Why it is closed though a Secret names it. */
  readonly error?: string;
}

/** Parts that the pages show. */
export interface DebugParts {
  readonly cluster: ClusterState;
  readonly xds: XdsServer;
  readonly clusters: () => readonly ClusterInfo[];
}

/** A page: JSON of a value, for a query. `namespace` limits what callers outside of the system namespace see. */
type Page = (query: URLSearchParams, namespace: string | undefined) => unknown;

/** Pages that callers outside of the system namespace may ask for, about their own proxies. */
const OPEN_PAGES = new Set(['config_dump', 'ndsz', 'edsz']);

/** The table of pages. */
export interface DebugPages {
  /** Names, sorted. */
  readonly names: readonly string[];
  /** True when only the system namespace may ask. */
  isRestricted(name: string): boolean;
  /** The page, `not-found`, or a value. */
  show(name: string, query: URLSearchParams, namespace?: string): { readonly value: unknown } | undefined;
}

/** Makes the table. */
export function debugPages({ cluster, xds, clusters }: DebugParts): DebugPages {
  const pages: Record<string, Page> = {
    syncz: (query) => syncz(xds, query.get('namespace') ?? ''),
    adsz: (query) => {
      if (query.get('push') === 'true') xds.forcePush();
      return adsz(xds, query.get('proxyID') ?? '');
    },
    connections: () =>
      xds
        .status()
        .map((c) => ({ connectionId: connectionIdOf(c), connectedAt: timeOf(c.connectedAtMs), address: c.peer })),
    ambientz: () => ambientz(cluster),
    clusterz: () => clusters().map(({ id, secretName, syncStatus, error }) => ({ id, secretName, syncStatus, error })),
    config_dump: (query, namespace) => configDump(xds, query.get('proxyID') ?? '', namespace),
    mesh: () => cluster.model.options,
    networkz: () => ({ network: cluster.model.view().network() }),
    problems: () => cluster.model.problems(),
    push_status: () => ({}),
    list: () => Object.keys(pages).toSorted((a, b) => (a < b ? -1 : 1)),
  };
  return {
    names: Object.keys(pages).toSorted((a, b) => (a < b ? -1 : 1)),
    isRestricted: (name) => !OPEN_PAGES.has(name),
    show(name, query, namespace) {
      const page = Object.hasOwn(pages, name) ? pages[name] : undefined;
      return page === undefined ? undefined : { value: page(query, namespace) };
    },
  };
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
const textOf = (client: ClientStatus, key: string): string => {
  const value = client.metadata[key];
  return typeof value === 'string' ? value : '';
};
/** `<pod>.<namespace>`, as tools name proxies. */
const proxyOf = ({ nodeId }: ClientStatus): string => nodeId.split('~')[2] ?? '';
const connectionIdOf = (client: ClientStatus): string => `${proxyOf(client)}-${client.connectionId}`;

function syncz(xds: XdsServer, namespace: string): object[] {
  return sorted(xds)
    .filter((client) => namespace === '' || textOf(client, 'NAMESPACE') === namespace)
    .map((client) => ({
      cluster_id: textOf(client, 'CLUSTER_ID') || undefined,
      proxy: proxyOf(client),
      proxy_type: client.nodeType,
      istio_version: textOf(client, 'ISTIO_VERSION') || undefined,
      resources: Object.fromEntries(
        client.types.map((type) => [
          type.typeUrl,
          {
            sent: type.lastNonce || undefined,
            acked: type.ackedNonce || undefined,
            sentTime: timeOf(type.sentAtMs),
            lastError: type.lastError,
          },
        ]),
      ),
    }));
}

function adsz(xds: XdsServer, proxyId: string): object {
  const clients = sorted(xds).filter((client) => proxyId === '' || proxyOf(client).startsWith(proxyId));
  return {
    totalClients: clients.length,
    clients: clients.map((client) => ({
      connectionId: connectionIdOf(client),
      connectedAt: timeOf(client.connectedAtMs),
      address: client.peer,
      labels: client.metadata['LABELS'],
      metadata: client.metadata,
      identities: client.identities,
      watches: Object.fromEntries(client.types.map((type) => [type.typeUrl, [...(type.held?.keys() ?? [])]])),
      state: Object.fromEntries(client.types.map((type) => [type.typeUrl, { state: type.state, nacks: type.nacks }])),
    })),
  };
}

/** What a proxy was sent, by type; proxies of other namespaces count as not connected. */
function configDump(xds: XdsServer, proxyId: string, namespace: string | undefined): object {
  const client = sorted(xds).find(
    (c) => proxyOf(c) === proxyId && (namespace === undefined || textOf(c, 'NAMESPACE') === namespace),
  );
  if (client === undefined) return { error: `proxy ${proxyId} is not connected to this control plane` };
  return {
    configs: client.types.map(({ typeUrl, mode, state, held }) => ({
      typeUrl,
      mode,
      state,
      resources: held === undefined ? 'all' : Object.fromEntries(held),
    })),
  };
}

function sorted(xds: XdsServer): ClientStatus[] {
  return xds.status().toSorted((a, b) => (connectionIdOf(a) < connectionIdOf(b) ? -1 : 1));
}

function ambientz({ model }: ClusterState): object {
  const addresses = [...model.addresses.all()].map((r) => toJson(AddressSchema, fromBinary(AddressSchema, r.bytes)));
  const pick = (key: 'workload' | 'service'): unknown[] =>
    addresses.map((a) => (a as Record<string, unknown>)[key]).filter((value) => value !== undefined);
  const policies = [...model.authorizations.values()];
  return {
    workloads: pick('workload'),
    services: pick('service'),
    policies: policies.map((r) => toJson(AuthorizationSchema, fromBinary(AuthorizationSchema, r.bytes))),
  };
}
