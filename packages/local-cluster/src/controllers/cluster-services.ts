// The objects that every cluster has: namespaces, `default/kubernetes`, `kube-system/kube-dns` and their slices.
// Comes in: addresses of the nodes. Goes out: the objects, created or corrected once at start. Main thread.
import type { ObjectApi } from '../api/object-api.ts';
import type { AnyObject, EndpointSlice, Service, ServicePort } from './objects.ts';
import { canonicalJson } from './pod-from-template.ts';
import { STORAGE_CLASS } from './volume-claims.ts';

/** Where the fixed services lead. */
export interface ClusterServices {
  /** Each node with the address at which the API server and DNS listen for pods. */
  readonly nodes: readonly { readonly name: string; readonly ip: string }[];
  readonly apiPort: number;
  readonly dnsPort: number;
}

/** The address of `default/kubernetes`. */
export const KUBERNETES_IP = '10.96.0.1';
/** The address of the cluster DNS. */
export const DNS_IP = '10.96.0.10';

/** The label that names the writer of a slice. */
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
/** The writer of the slices of the fixed services. */
export const CLUSTER_SLICES = 'local-cluster.ambit.io';

/** Creates or corrects the fixed objects; safe to call again. */
export async function ensureClusterServices(api: ObjectApi, services: ClusterServices): Promise<void> {
  const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
  await Promise.all(namespaces.map((name) => ensureNamespace(api, name)));
  await ensureService(api, 'default', 'kubernetes', KUBERNETES_IP, { component: 'apiserver', provider: 'kubernetes' }, [
    { name: 'https', protocol: 'TCP', port: 443, targetPort: services.apiPort },
  ]);
  await ensureService(
    api,
    'kube-system',
    'kube-dns',
    DNS_IP,
    { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
    [
      { name: 'dns', protocol: 'UDP', port: 53, targetPort: services.dnsPort },
      { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: services.dnsPort },
    ],
    'Local',
  );
  await ensureStorageClass(api);
  await ensureSlice(api, 'default', 'kubernetes', services, [
    { name: 'https', protocol: 'TCP', port: services.apiPort },
  ]);
  await ensureSlice(api, 'kube-system', 'kube-dns', services, [
    { name: 'dns', protocol: 'UDP', port: services.dnsPort },
    { name: 'dns-tcp', protocol: 'TCP', port: services.dnsPort },
  ]);
}

async function ensureStorageClass(api: ObjectApi): Promise<void> {
  const name = STORAGE_CLASS;
  if (api.get('storageclasses.storage.k8s.io', name) !== undefined) return;
  const storageClass: AnyObject & Record<string, unknown> = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'local-cluster.ambit.io',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'Immediate',
  };
  await api.create('storageclasses.storage.k8s.io', storageClass);
}

async function ensureNamespace(api: ObjectApi, name: string): Promise<void> {
  if (api.get('namespaces', name) !== undefined) return;
  await api.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

async function ensureService(
  api: ObjectApi,
  namespace: string,
  name: string,
  clusterIP: string,
  labels: Record<string, string>,
  ports: ServicePort[],
  internalTrafficPolicy: 'Cluster' | 'Local' = 'Cluster',
): Promise<void> {
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports, internalTrafficPolicy },
  };
  const present = api.get<Service>('services', name, namespace);
  if (present === undefined) await api.create('services', service);
  else if (canonicalJson(present.spec.ports ?? []) !== canonicalJson(ports)) {
    await api.update('services', { ...present, spec: { ...present.spec, ports } } as Service);
  }
}

async function ensureSlice(
  api: ObjectApi,
  namespace: string,
  name: string,
  services: ClusterServices,
  ports: { name: string; protocol: string; port: number }[],
): Promise<void> {
  const slice: EndpointSlice & AnyObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name, [MANAGED_BY]: CLUSTER_SLICES } },
    addressType: 'IPv4',
    endpoints: services.nodes.map((node) => ({
      addresses: [node.ip],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: node.name,
    })),
    ports,
  };
  const present = api.get<EndpointSlice>('endpointslices.discovery.k8s.io', name, namespace);
  if (present === undefined) await api.create('endpointslices.discovery.k8s.io', slice);
  else
    await api.update('endpointslices.discovery.k8s.io', {
      ...present,
      endpoints: slice.endpoints,
      ports,
    } as EndpointSlice);
}
