// How every kind of this package is called: group, versions, plural. No schemas: reading those costs ten times as much, and who only
// talks to an API server needs none. Called by the Kubernetes client, the command line, and kinds.ts, which adds the schemas.
import type { KindNames, PrinterColumn } from './kind-info.ts';

type Extra = Partial<Omit<KindNames, 'kind' | 'group' | 'version' | 'plural'>>;

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const column = (name: string, jsonPath: string): PrinterColumn => ({ name, type: 'string', jsonPath });

function define(group: string, version: string, kind: string, plural: string, extra: Extra = {}): KindNames {
  const defaults = { otherVersions: [], shortNames: [], categories: [], namespaced: true, custom: false, columns: [] };
  return { ...defaults, kind, group, version, plural, ...extra };
}

const istio = (area: string) => ({ custom: true, categories: ['istio-io', `${area}-istio-io`] });
const gatewayApi = { custom: true, categories: ['gateway-api'] };
const RBAC = 'rbac.authorization.k8s.io';
const SECURITY = 'security.istio.io';
const NETWORKING = 'networking.istio.io';
const TELEMETRY = 'telemetry.istio.io';
const GATEWAY_API = 'gateway.networking.k8s.io';

/** Names of every kind of this package. They are unique here: `Gateway` is the Gateway API's. */
export const kindTable = {
  Pod: define('', 'v1', 'Pod', 'pods'),
  Service: define('', 'v1', 'Service', 'services'),
  Namespace: define('', 'v1', 'Namespace', 'namespaces', { namespaced: false }),
  Node: define('', 'v1', 'Node', 'nodes', { namespaced: false }),
  ConfigMap: define('', 'v1', 'ConfigMap', 'configmaps'),
  Secret: define('', 'v1', 'Secret', 'secrets'),
  ServiceAccount: define('', 'v1', 'ServiceAccount', 'serviceaccounts'),
  EndpointSlice: define('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices'),
  Deployment: define('apps', 'v1', 'Deployment', 'deployments'),
  ReplicaSet: define('apps', 'v1', 'ReplicaSet', 'replicasets'),
  StatefulSet: define('apps', 'v1', 'StatefulSet', 'statefulsets'),
  DaemonSet: define('apps', 'v1', 'DaemonSet', 'daemonsets'),
  Job: define('batch', 'v1', 'Job', 'jobs'),
  Event: define('', 'v1', 'Event', 'events', { shortNames: ['ev'] }),
  HorizontalPodAutoscaler: define('autoscaling', 'v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers', {
    shortNames: ['hpa'],
  }),
  PodDisruptionBudget: define('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets', {
    shortNames: ['pdb'],
  }),
  Lease: define('coordination.k8s.io', 'v1', 'Lease', 'leases'),
  NetworkPolicy: define('networking.k8s.io', 'v1', 'NetworkPolicy', 'networkpolicies'),
  CustomResourceDefinition: define(
    'apiextensions.k8s.io',
    'v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    { namespaced: false },
  ),
  ValidatingWebhookConfiguration: define(
    'admissionregistration.k8s.io',
    'v1',
    'ValidatingWebhookConfiguration',
    'validatingwebhookconfigurations',
    { namespaced: false },
  ),
  MutatingWebhookConfiguration: define(
    'admissionregistration.k8s.io',
    'v1',
    'MutatingWebhookConfiguration',
    'mutatingwebhookconfigurations',
    { namespaced: false },
  ),
  CertificateSigningRequest: define(
    'certificates.k8s.io',
    'v1',
    'CertificateSigningRequest',
    'certificatesigningrequests',
    { namespaced: false, shortNames: ['csr'] },
  ),
  ClusterTrustBundle: define('certificates.k8s.io', 'v1beta1', 'ClusterTrustBundle', 'clustertrustbundles', {
    namespaced: false,
  }),
  // cert-manager brings the definition.
  CertificateRequest: define('cert-manager.io', 'v1', 'CertificateRequest', 'certificaterequests', {
    shortNames: ['cr', 'crs'],
  }),
  ResourceQuota: define('', 'v1', 'ResourceQuota', 'resourcequotas'),
  Role: define(RBAC, 'v1', 'Role', 'roles'),
  RoleBinding: define(RBAC, 'v1', 'RoleBinding', 'rolebindings'),
  ClusterRole: define(RBAC, 'v1', 'ClusterRole', 'clusterroles', { namespaced: false }),
  ClusterRoleBinding: define(RBAC, 'v1', 'ClusterRoleBinding', 'clusterrolebindings', {
    namespaced: false,
  }),
  AuthorizationPolicy: define(SECURITY, 'v1', 'AuthorizationPolicy', 'authorizationpolicies', {
    ...istio('security'),
    otherVersions: ['v1beta1'],
    shortNames: ['ap'],
    columns: [column('Action', '.spec.action'), age],
  }),
  PeerAuthentication: define(SECURITY, 'v1', 'PeerAuthentication', 'peerauthentications', {
    ...istio('security'),
    otherVersions: ['v1beta1'],
    shortNames: ['pa'],
    columns: [column('Mode', '.spec.mtls.mode'), age],
  }),
  RequestAuthentication: define(SECURITY, 'v1', 'RequestAuthentication', 'requestauthentications', {
    ...istio('security'),
    otherVersions: ['v1beta1'],
    shortNames: ['ra'],
  }),
  // Stored in the old version, as upstream's: a cluster that has objects of it keeps them.
  Telemetry: define(TELEMETRY, 'v1alpha1', 'Telemetry', 'telemetries', {
    ...istio('telemetry'),
    otherVersions: ['v1'],
    shortNames: ['telemetry'],
    columns: [age],
  }),
  ServiceEntry: define(NETWORKING, 'v1', 'ServiceEntry', 'serviceentries', {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['se'],
    columns: [
      column('Hosts', '.spec.hosts'),
      column('Location', '.spec.location'),
      column('Resolution', '.spec.resolution'),
      age,
    ],
  }),
  WorkloadEntry: define(NETWORKING, 'v1', 'WorkloadEntry', 'workloadentries', {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['we'],
    columns: [age, column('Address', '.spec.address')],
  }),
  VirtualService: define(NETWORKING, 'v1', 'VirtualService', 'virtualservices', {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['vs'],
    columns: [column('Gateways', '.spec.gateways'), column('Hosts', '.spec.hosts'), age],
  }),
  DestinationRule: define(NETWORKING, 'v1', 'DestinationRule', 'destinationrules', {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['dr'],
    columns: [column('Host', '.spec.host'), age],
  }),
  EnvoyFilter: define(NETWORKING, 'v1alpha3', 'EnvoyFilter', 'envoyfilters', istio('networking')),
  GatewayClass: define(GATEWAY_API, 'v1', 'GatewayClass', 'gatewayclasses', {
    ...gatewayApi,
    namespaced: false,
    otherVersions: ['v1beta1'],
    shortNames: ['gc'],
    columns: [
      column('Controller', '.spec.controllerName'),
      column('Accepted', '.status.conditions[?(@.type=="Accepted")].status'),
      age,
    ],
  }),
  Gateway: define(GATEWAY_API, 'v1', 'Gateway', 'gateways', {
    ...gatewayApi,
    otherVersions: ['v1beta1'],
    shortNames: ['gtw'],
    columns: [
      column('Class', '.spec.gatewayClassName'),
      column('Address', '.status.addresses[*].value'),
      column('Programmed', '.status.conditions[?(@.type=="Programmed")].status'),
      age,
    ],
  }),
  ListenerSet: define(GATEWAY_API, 'v1', 'ListenerSet', 'listenersets', {
    ...gatewayApi,
    shortNames: ['lset'],
    columns: [
      column('Accepted', '.status.conditions[?(@.type=="Accepted")].status'),
      column('Programmed', '.status.conditions[?(@.type=="Programmed")].status'),
      age,
    ],
  }),
  HTTPRoute: define(GATEWAY_API, 'v1', 'HTTPRoute', 'httproutes', {
    ...gatewayApi,
    otherVersions: ['v1beta1'],
    columns: [column('Hostnames', '.spec.hostnames'), age],
  }),
  GRPCRoute: define(GATEWAY_API, 'v1', 'GRPCRoute', 'grpcroutes', {
    ...gatewayApi,
    columns: [column('Hostnames', '.spec.hostnames'), age],
  }),
  TCPRoute: define(GATEWAY_API, 'v1', 'TCPRoute', 'tcproutes', {
    ...gatewayApi,
    otherVersions: ['v1alpha2'],
    columns: [age],
  }),
  TLSRoute: define(GATEWAY_API, 'v1', 'TLSRoute', 'tlsroutes', {
    ...gatewayApi,
    otherVersions: ['v1alpha2', 'v1alpha3'],
    columns: [age],
  }),
  ReferenceGrant: define(GATEWAY_API, 'v1beta1', 'ReferenceGrant', 'referencegrants', {
    ...gatewayApi,
    shortNames: ['refgrant'],
    columns: [age],
  }),
} as const;

/** Name of a kind of this package. */
export type KindName = keyof typeof kindTable;

/** `apiVersion` text of a kind. */
export function apiVersionOf(info: Pick<KindNames, 'group' | 'version'>): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`;
}

/** The names of the kind of an object, if this package knows it in that API group. */
export function kindNamesOf(object: { readonly apiVersion?: string; readonly kind?: string }): KindNames | undefined {
  if (object.kind === undefined || !Object.hasOwn(kindTable, object.kind)) return undefined;
  const names = kindTable[object.kind as KindName];
  const apiVersion = object.apiVersion ?? '';
  const slash = apiVersion.indexOf('/');
  return (slash < 0 ? '' : apiVersion.slice(0, slash)) === names.group ? names : undefined;
}
