// The table of kinds: group, versions, plural and schema of everything this package knows.
// Called by the CRD generator, the validator, the Kubernetes client and the local cluster's tools.
import type Type from 'typebox';
import { GatewayClassSchema, GatewaySchema, ReferenceGrantSchema } from './gateway-api/gateway.ts';
import { GRPCRouteSchema, HTTPRouteSchema, TCPRouteSchema, TLSRouteSchema } from './gateway-api/routes.ts';
import { AuthorizationPolicySchema } from './istio/authorization-policy.ts';
import { DestinationRuleSchema } from './istio/destination-rule.ts';
import { EnvoyFilterSchema } from './istio/envoy-filter.ts';
import { PeerAuthenticationSchema } from './istio/peer-authentication.ts';
import { RequestAuthenticationSchema } from './istio/request-authentication.ts';
import { ServiceEntrySchema, WorkloadEntrySchema } from './istio/service-entry.ts';
import { TelemetrySchema } from './istio/telemetry.ts';
import { VirtualServiceSchema } from './istio/virtual-service.ts';
import type { KindInfo, PrinterColumn } from './kind-info.ts';
import { NamespaceSchema, NodeSchema } from './kubernetes/cluster.ts';
import {
  DaemonSetSchema,
  DeploymentSchema,
  JobSchema,
  ReplicaSetSchema,
  StatefulSetSchema,
} from './kubernetes/controllers.ts';
import { ConfigMapSchema, LeaseSchema, SecretSchema, ServiceAccountSchema } from './kubernetes/data.ts';
import { EndpointSliceSchema } from './kubernetes/endpoint-slice.ts';
import { InstalledObjectSchema } from './kubernetes/installed.ts';
import { PodSchema } from './kubernetes/pod.ts';
import { ServiceSchema } from './kubernetes/service.ts';

type Extra = Partial<Omit<KindInfo, 'kind' | 'group' | 'version' | 'plural' | 'schema'>>;

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const column = (name: string, jsonPath: string): PrinterColumn => ({ name, type: 'string', jsonPath });

function define<S extends Type.TObject>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  schema: S,
  extra: Extra = {},
) {
  const defaults = { otherVersions: [], shortNames: [], categories: [], namespaced: true, custom: false, columns: [] };
  return { ...defaults, kind, group, version, plural, schema, ...extra } satisfies KindInfo;
}

const istio = (area: string) => ({ custom: true, categories: ['istio-io', `${area}-istio-io`] });
const gatewayApi = { custom: true, categories: ['gateway-api'] };
const RBAC = 'rbac.authorization.k8s.io';
const SECURITY = 'security.istio.io';
const NETWORKING = 'networking.istio.io';
const TELEMETRY = 'telemetry.istio.io';
const GATEWAY_API = 'gateway.networking.k8s.io';

/** Every kind of this package by its name. Names are unique here: `Gateway` is the Gateway API's. */
export const kinds = {
  Pod: define('', 'v1', 'Pod', 'pods', PodSchema),
  Service: define('', 'v1', 'Service', 'services', ServiceSchema),
  Namespace: define('', 'v1', 'Namespace', 'namespaces', NamespaceSchema, { namespaced: false }),
  Node: define('', 'v1', 'Node', 'nodes', NodeSchema, { namespaced: false }),
  ConfigMap: define('', 'v1', 'ConfigMap', 'configmaps', ConfigMapSchema),
  Secret: define('', 'v1', 'Secret', 'secrets', SecretSchema),
  ServiceAccount: define('', 'v1', 'ServiceAccount', 'serviceaccounts', ServiceAccountSchema),
  EndpointSlice: define('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices', EndpointSliceSchema),
  Deployment: define('apps', 'v1', 'Deployment', 'deployments', DeploymentSchema),
  ReplicaSet: define('apps', 'v1', 'ReplicaSet', 'replicasets', ReplicaSetSchema),
  StatefulSet: define('apps', 'v1', 'StatefulSet', 'statefulsets', StatefulSetSchema),
  DaemonSet: define('apps', 'v1', 'DaemonSet', 'daemonsets', DaemonSetSchema),
  Job: define('batch', 'v1', 'Job', 'jobs', JobSchema),
  Event: define('', 'v1', 'Event', 'events', InstalledObjectSchema, { shortNames: ['ev'] }),
  HorizontalPodAutoscaler: define(
    'autoscaling',
    'v2',
    'HorizontalPodAutoscaler',
    'horizontalpodautoscalers',
    InstalledObjectSchema,
    { shortNames: ['hpa'] },
  ),
  PodDisruptionBudget: define('policy', 'v1', 'PodDisruptionBudget', 'poddisruptionbudgets', InstalledObjectSchema, {
    shortNames: ['pdb'],
  }),
  Lease: define('coordination.k8s.io', 'v1', 'Lease', 'leases', LeaseSchema),
  NetworkPolicy: define('networking.k8s.io', 'v1', 'NetworkPolicy', 'networkpolicies', InstalledObjectSchema),
  CustomResourceDefinition: define(
    'apiextensions.k8s.io',
    'v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    InstalledObjectSchema,
    { namespaced: false },
  ),
  ValidatingWebhookConfiguration: define(
    'admissionregistration.k8s.io',
    'v1',
    'ValidatingWebhookConfiguration',
    'validatingwebhookconfigurations',
    InstalledObjectSchema,
    { namespaced: false },
  ),
  MutatingWebhookConfiguration: define(
    'admissionregistration.k8s.io',
    'v1',
    'MutatingWebhookConfiguration',
    'mutatingwebhookconfigurations',
    InstalledObjectSchema,
    { namespaced: false },
  ),
  CertificateSigningRequest: define(
    'certificates.k8s.io',
    'v1',
    'CertificateSigningRequest',
    'certificatesigningrequests',
    InstalledObjectSchema,
    { namespaced: false, shortNames: ['csr'] },
  ),
  // cert-manager brings the definition.
  CertificateRequest: define(
    'cert-manager.io',
    'v1',
    'CertificateRequest',
    'certificaterequests',
    InstalledObjectSchema,
    { shortNames: ['cr', 'crs'] },
  ),
  ResourceQuota: define('', 'v1', 'ResourceQuota', 'resourcequotas', InstalledObjectSchema),
  Role: define(RBAC, 'v1', 'Role', 'roles', InstalledObjectSchema),
  RoleBinding: define(RBAC, 'v1', 'RoleBinding', 'rolebindings', InstalledObjectSchema),
  ClusterRole: define(RBAC, 'v1', 'ClusterRole', 'clusterroles', InstalledObjectSchema, { namespaced: false }),
  ClusterRoleBinding: define(RBAC, 'v1', 'ClusterRoleBinding', 'clusterrolebindings', InstalledObjectSchema, {
    namespaced: false,
  }),
  AuthorizationPolicy: define(
    SECURITY,
    'v1',
    'AuthorizationPolicy',
    'authorizationpolicies',
    AuthorizationPolicySchema,
    {
      ...istio('security'),
      otherVersions: ['v1beta1'],
      shortNames: ['ap'],
      columns: [column('Action', '.spec.action'), age],
    },
  ),
  PeerAuthentication: define(SECURITY, 'v1', 'PeerAuthentication', 'peerauthentications', PeerAuthenticationSchema, {
    ...istio('security'),
    otherVersions: ['v1beta1'],
    shortNames: ['pa'],
    columns: [column('Mode', '.spec.mtls.mode'), age],
  }),
  RequestAuthentication: define(
    SECURITY,
    'v1',
    'RequestAuthentication',
    'requestauthentications',
    RequestAuthenticationSchema,
    { ...istio('security'), otherVersions: ['v1beta1'], shortNames: ['ra'] },
  ),
  // Stored in the old version, as upstream's: a cluster that has objects of it keeps them.
  Telemetry: define(TELEMETRY, 'v1alpha1', 'Telemetry', 'telemetries', TelemetrySchema, {
    ...istio('telemetry'),
    otherVersions: ['v1'],
    shortNames: ['telemetry'],
    columns: [age],
  }),
  ServiceEntry: define(NETWORKING, 'v1', 'ServiceEntry', 'serviceentries', ServiceEntrySchema, {
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
  WorkloadEntry: define(NETWORKING, 'v1', 'WorkloadEntry', 'workloadentries', WorkloadEntrySchema, {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['we'],
    columns: [age, column('Address', '.spec.address')],
  }),
  VirtualService: define(NETWORKING, 'v1', 'VirtualService', 'virtualservices', VirtualServiceSchema, {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['vs'],
    columns: [column('Gateways', '.spec.gateways'), column('Hosts', '.spec.hosts'), age],
  }),
  DestinationRule: define(NETWORKING, 'v1', 'DestinationRule', 'destinationrules', DestinationRuleSchema, {
    ...istio('networking'),
    otherVersions: ['v1alpha3', 'v1beta1'],
    shortNames: ['dr'],
    columns: [column('Host', '.spec.host'), age],
  }),
  EnvoyFilter: define(NETWORKING, 'v1alpha3', 'EnvoyFilter', 'envoyfilters', EnvoyFilterSchema, istio('networking')),
  GatewayClass: define(GATEWAY_API, 'v1', 'GatewayClass', 'gatewayclasses', GatewayClassSchema, {
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
  Gateway: define(GATEWAY_API, 'v1', 'Gateway', 'gateways', GatewaySchema, {
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
  HTTPRoute: define(GATEWAY_API, 'v1', 'HTTPRoute', 'httproutes', HTTPRouteSchema, {
    ...gatewayApi,
    otherVersions: ['v1beta1'],
    columns: [column('Hostnames', '.spec.hostnames'), age],
  }),
  GRPCRoute: define(GATEWAY_API, 'v1', 'GRPCRoute', 'grpcroutes', GRPCRouteSchema, {
    ...gatewayApi,
    columns: [column('Hostnames', '.spec.hostnames'), age],
  }),
  TCPRoute: define(GATEWAY_API, 'v1', 'TCPRoute', 'tcproutes', TCPRouteSchema, {
    ...gatewayApi,
    otherVersions: ['v1alpha2'],
    columns: [age],
  }),
  TLSRoute: define(GATEWAY_API, 'v1', 'TLSRoute', 'tlsroutes', TLSRouteSchema, {
    ...gatewayApi,
    otherVersions: ['v1alpha2', 'v1alpha3'],
    columns: [age],
  }),
  ReferenceGrant: define(GATEWAY_API, 'v1beta1', 'ReferenceGrant', 'referencegrants', ReferenceGrantSchema, {
    ...gatewayApi,
    shortNames: ['refgrant'],
    columns: [age],
  }),
} as const;

/** Name of a kind of this package. */
export type KindName = keyof typeof kinds;

/** The object type of a kind, by name. */
export type ObjectOf<K extends KindName> = Type.Static<(typeof kinds)[K]['schema']>;

/** `apiVersion` text of a kind. */
export function apiVersionOf(info: Pick<KindInfo, 'group' | 'version'>): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`;
}

/** The kind named in an object, if this package knows it in that API group. */
export function kindOf(object: { readonly apiVersion?: string; readonly kind?: string }): KindInfo | undefined {
  if (object.kind === undefined || !Object.hasOwn(kinds, object.kind)) return undefined;
  const info: KindInfo = kinds[object.kind as KindName];
  const apiVersion = object.apiVersion ?? '';
  const slash = apiVersion.indexOf('/');
  return (slash < 0 ? '' : apiVersion.slice(0, slash)) === info.group ? info : undefined;
}
