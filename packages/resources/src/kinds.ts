// The kinds with their schemas.
// Called by the CRD generator, the validator, the Kubernetes client and the local cluster's tools.
import type Type from 'typebox';
import { GatewayClassSchema, GatewaySchema, ListenerSetSchema, ReferenceGrantSchema } from './gateway-api/gateway.ts';
import { GRPCRouteSchema, HTTPRouteSchema, TCPRouteSchema, TLSRouteSchema } from './gateway-api/routes.ts';
import { AuthorizationPolicySchema } from './istio/authorization-policy.ts';
import { DestinationRuleSchema } from './istio/destination-rule.ts';
import { EnvoyFilterSchema } from './istio/envoy-filter.ts';
import { PeerAuthenticationSchema } from './istio/peer-authentication.ts';
import { RequestAuthenticationSchema } from './istio/request-authentication.ts';
import { ServiceEntrySchema, WorkloadEntrySchema } from './istio/service-entry.ts';
import { TelemetrySchema } from './istio/telemetry.ts';
import { VirtualServiceSchema } from './istio/virtual-service.ts';
import type { KindInfo } from './kind-info.ts';
import { type KindName, kindNamesOf, kindTable } from './kind-table.ts';
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

const schemas = {
  Pod: PodSchema,
  Service: ServiceSchema,
  Namespace: NamespaceSchema,
  Node: NodeSchema,
  ConfigMap: ConfigMapSchema,
  Secret: SecretSchema,
  ServiceAccount: ServiceAccountSchema,
  EndpointSlice: EndpointSliceSchema,
  Deployment: DeploymentSchema,
  ReplicaSet: ReplicaSetSchema,
  StatefulSet: StatefulSetSchema,
  DaemonSet: DaemonSetSchema,
  Job: JobSchema,
  Event: InstalledObjectSchema,
  HorizontalPodAutoscaler: InstalledObjectSchema,
  PodDisruptionBudget: InstalledObjectSchema,
  Lease: LeaseSchema,
  NetworkPolicy: InstalledObjectSchema,
  CustomResourceDefinition: InstalledObjectSchema,
  ValidatingWebhookConfiguration: InstalledObjectSchema,
  MutatingWebhookConfiguration: InstalledObjectSchema,
  CertificateSigningRequest: InstalledObjectSchema,
  ClusterTrustBundle: InstalledObjectSchema,
  CertificateRequest: InstalledObjectSchema,
  ResourceQuota: InstalledObjectSchema,
  Role: InstalledObjectSchema,
  RoleBinding: InstalledObjectSchema,
  ClusterRole: InstalledObjectSchema,
  ClusterRoleBinding: InstalledObjectSchema,
  AuthorizationPolicy: AuthorizationPolicySchema,
  PeerAuthentication: PeerAuthenticationSchema,
  RequestAuthentication: RequestAuthenticationSchema,
  Telemetry: TelemetrySchema,
  ServiceEntry: ServiceEntrySchema,
  WorkloadEntry: WorkloadEntrySchema,
  VirtualService: VirtualServiceSchema,
  DestinationRule: DestinationRuleSchema,
  EnvoyFilter: EnvoyFilterSchema,
  GatewayClass: GatewayClassSchema,
  Gateway: GatewaySchema,
  ListenerSet: ListenerSetSchema,
  HTTPRoute: HTTPRouteSchema,
  GRPCRoute: GRPCRouteSchema,
  TCPRoute: TCPRouteSchema,
  TLSRoute: TLSRouteSchema,
  ReferenceGrant: ReferenceGrantSchema,
} as const satisfies Readonly<Record<KindName, Type.TObject>>;

/** Every kind of this package by its name. */
export const kinds = Object.fromEntries(
  Object.entries(kindTable).map(([name, names]) => [name, { ...names, schema: schemas[name as KindName] }]),
) as unknown as { readonly [K in KindName]: KindInfo & { readonly schema: (typeof schemas)[K] } };

/** The object type of a kind, by name. */
export type ObjectOf<K extends KindName> = Type.Static<(typeof schemas)[K]>;

/** The kind named in an object, if this package knows it in that API group. */
export function kindOf(object: { readonly apiVersion?: string; readonly kind?: string }): KindInfo | undefined {
  const names = kindNamesOf(object);
  return names && kinds[names.kind as KindName];
}
