// Names of the labels and annotations that the translation reads (spec control-plane 1), and label matching.
import type { LabelSelector } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';

/** A map of labels or annotations. */
export type Labels = Readonly<Record<string, string>>;

/** Labels and annotations, by what they say. */
export const REDIRECTION = 'ambient.istio.io/redirection';
export const TUNNEL = 'networking.istio.io/tunnel';
export const USE_WAYPOINT = 'istio.io/use-waypoint';
export const USE_WAYPOINT_NAMESPACE = 'istio.io/use-waypoint-namespace';
export const CANARY = 'istio.io/use-waypoint-canary';
export const CANARY_NAMESPACE = 'istio.io/use-waypoint-canary-namespace';
export const CANARY_WEIGHT = 'istio.io/use-waypoint-canary-weight';
export const INGRESS_USE_WAYPOINT = 'istio.io/ingress-use-waypoint';
export const WAYPOINT_FOR = 'istio.io/waypoint-for';
export const INBOUND_BINDING = 'ambient.istio.io/waypoint-inbound-binding';
export const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
export const GATEWAY_MANAGED = 'gateway.istio.io/managed';
export const GATEWAY_SERVICE_ACCOUNT = 'gateway.istio.io/service-account';
export const NETWORK = 'topology.istio.io/network';
export const REGION = 'topology.kubernetes.io/region';
export const ZONE = 'topology.kubernetes.io/zone';
export const SUBZONE = 'topology.istio.io/subzone';
export const TRAFFIC_DISTRIBUTION = 'networking.istio.io/traffic-distribution';
export const AUTO_ALLOCATE = 'networking.istio.io/enable-autoallocate-ip';
export const CONNECT_STRATEGY = 'istio.io/connect-strategy';
export const DRY_RUN = 'istio.io/dry-run';
export const REVISION = 'istio.io/rev';
export const SERVICE_NAME = 'kubernetes.io/service-name';

/** True when every pair of `selector` is a label. The caller decides what an empty selector means. */
export function isSubset(selector: Labels, labels: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

/** Evaluates a label selector; absent or empty selects everything, an unknown operator nothing. */
export function selects(selector: LabelSelector | undefined, labels: Labels): boolean {
  return selector === undefined || matchesLabelSelector(selector, labels);
}

/** A truth value as Go's strconv reads it; `undefined` when the text is none. */
export function goBoolean(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined;
}
