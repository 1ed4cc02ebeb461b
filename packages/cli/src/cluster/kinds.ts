// The kinds that commands touch, written once.
import type { KindRef } from './cluster-api.ts';

const core = (kind: string): KindRef => ({ apiVersion: 'v1', kind });
const apps = (kind: string): KindRef => ({ apiVersion: 'apps/v1', kind });

/** Kinds by the name the code uses. */
export const kinds = {
  namespace: core('Namespace'),
  pod: core('Pod'),
  service: core('Service'),
  node: core('Node'),
  deployment: apps('Deployment'),
  daemonSet: apps('DaemonSet'),
  gateway: { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' },
  configMap: core('ConfigMap'),
  secret: core('Secret'),
  serviceAccount: core('ServiceAccount'),
  lease: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
  replicaSet: apps('ReplicaSet'),
  httpRoute: { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute' },
  gatewayClass: { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass' },
  authorizationPolicy: { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' },
  peerAuthentication: { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication' },
  requestAuthentication: { apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication' },
  destinationRule: { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule' },
  envoyFilter: { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' },
  serviceEntry: { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry' },
  mutatingWebhook: { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
  validatingWebhook: { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' },
  networkPolicy: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  definition: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
} as const satisfies Record<string, KindRef>;

/** Labels and annotations that users and commands share; they are the API of the mesh. */
export const labels = {
  dataplaneMode: 'istio.io/dataplane-mode',
  useWaypoint: 'istio.io/use-waypoint',
  useWaypointNamespace: 'istio.io/use-waypoint-namespace',
  revision: 'istio.io/rev',
  tag: 'istio.io/tag',
  waypointFor: 'istio.io/waypoint-for',
  redirection: 'ambient.istio.io/redirection',
} as const;
