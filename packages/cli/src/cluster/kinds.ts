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
  networkPolicy: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
  definition: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
} as const satisfies Record<string, KindRef>;

/** Labels and annotations that users and commands share; they are the API of the mesh. */
export const labels = {
  dataplaneMode: 'istio.io/dataplane-mode',
  useWaypoint: 'istio.io/use-waypoint',
  waypointFor: 'istio.io/waypoint-for',
  redirection: 'ambient.istio.io/redirection',
} as const;
