// Kinds that analyzers read, as they are told apart in files: group, kind and versions. Called by files.ts, cluster.ts and every
// analyzer (for its inputs). Pure data.

interface AnalyzedKindInfo {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
  readonly isClusterWide: boolean;
  /** Objects of a running cluster rather than configuration: not read from files by the command line tool. */
  readonly isRuntime: boolean;
}

const NETWORKING = 'networking.istio.io';
const SECURITY = 'security.istio.io';
const GATEWAY_API = 'gateway.networking.k8s.io';
const WEBHOOKS = 'admissionregistration.k8s.io';

const define = (
  group: string,
  kind: string,
  versions: string,
  extra: Partial<Pick<AnalyzedKindInfo, 'isClusterWide' | 'isRuntime'>> = {},
): AnalyzedKindInfo => ({
  group,
  kind,
  versions: versions.split(' '),
  isClusterWide: false,
  isRuntime: false,
  ...extra,
});
const runtime = { isRuntime: true };

/** Every kind that some analyzer reads. `IstioGateway` is the Gateway of networking.istio.io. */
export const analyzedKinds = {
  Namespace: define('', 'Namespace', 'v1', { isClusterWide: true, isRuntime: true }),
  Node: define('', 'Node', 'v1', { isClusterWide: true, isRuntime: true }),
  Pod: define('', 'Pod', 'v1', runtime),
  Service: define('', 'Service', 'v1', runtime),
  Secret: define('', 'Secret', 'v1', runtime),
  ConfigMap: define('', 'ConfigMap', 'v1'),
  Deployment: define('apps', 'Deployment', 'v1'),
  NetworkPolicy: define('networking.k8s.io', 'NetworkPolicy', 'v1', runtime),
  CustomResourceDefinition: define('apiextensions.k8s.io', 'CustomResourceDefinition', 'v1', { isClusterWide: true }),
  MutatingWebhookConfiguration: define(WEBHOOKS, 'MutatingWebhookConfiguration', 'v1', { isClusterWide: true }),
  ValidatingWebhookConfiguration: define(WEBHOOKS, 'ValidatingWebhookConfiguration', 'v1', { isClusterWide: true }),
  AuthorizationPolicy: define(SECURITY, 'AuthorizationPolicy', 'v1 v1beta1'),
  PeerAuthentication: define(SECURITY, 'PeerAuthentication', 'v1 v1beta1'),
  RequestAuthentication: define(SECURITY, 'RequestAuthentication', 'v1 v1beta1'),
  DestinationRule: define(NETWORKING, 'DestinationRule', 'v1 v1alpha3 v1beta1'),
  EnvoyFilter: define(NETWORKING, 'EnvoyFilter', 'v1alpha3'),
  IstioGateway: define(NETWORKING, 'Gateway', 'v1 v1alpha3 v1beta1'),
  ProxyConfig: define(NETWORKING, 'ProxyConfig', 'v1beta1'),
  ServiceEntry: define(NETWORKING, 'ServiceEntry', 'v1 v1alpha3 v1beta1'),
  Sidecar: define(NETWORKING, 'Sidecar', 'v1 v1alpha3 v1beta1'),
  VirtualService: define(NETWORKING, 'VirtualService', 'v1 v1alpha3 v1beta1'),
  WorkloadEntry: define(NETWORKING, 'WorkloadEntry', 'v1 v1alpha3 v1beta1'),
  WorkloadGroup: define(NETWORKING, 'WorkloadGroup', 'v1 v1alpha3 v1beta1'),
  Telemetry: define('telemetry.istio.io', 'Telemetry', 'v1 v1alpha1'),
  TrafficExtension: define('extensions.istio.io', 'TrafficExtension', 'v1alpha1'),
  WasmPlugin: define('extensions.istio.io', 'WasmPlugin', 'v1alpha1'),
  Gateway: define(GATEWAY_API, 'Gateway', 'v1 v1alpha2 v1beta1'),
  GatewayClass: define(GATEWAY_API, 'GatewayClass', 'v1 v1alpha2 v1beta1', { isClusterWide: true }),
  HTTPRoute: define(GATEWAY_API, 'HTTPRoute', 'v1 v1alpha2 v1beta1'),
  GRPCRoute: define(GATEWAY_API, 'GRPCRoute', 'v1 v1alpha2'),
} as const satisfies Readonly<Record<string, AnalyzedKindInfo>>;

/** Name of a kind that analyzers read. */
export type AnalyzedKind = keyof typeof analyzedKinds;

const byApiVersion = new Map<string, AnalyzedKind>(
  Object.entries(analyzedKinds).flatMap(([name, { group, kind, versions }]) =>
    versions.map((version) => [`${group === '' ? '' : `${group}/`}${version} ${kind}`, name as AnalyzedKind] as const),
  ),
);

/** The kind of an object with this `apiVersion` and `kind`; undefined when no analyzer reads it. */
export function analyzedKindOf(apiVersion: string, kind: string): AnalyzedKind | undefined {
  return byApiVersion.get(`${apiVersion} ${kind}`);
}
