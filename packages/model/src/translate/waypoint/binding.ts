// Which waypoint an object uses (spec control-plane 2.11.2, 2.11.3). In: labels of the object and of its namespace.
// Out: the waypoint, or why there is none. Called by the service and workload translations and by the status results.
import type { View } from '../../index/view.ts';
import {
  CANARY,
  CANARY_NAMESPACE,
  CANARY_WEIGHT,
  GATEWAY_MANAGED,
  GATEWAY_NAME,
  INGRESS_USE_WAYPOINT,
  goBoolean,
  type Labels,
  USE_WAYPOINT,
  USE_WAYPOINT_NAMESPACE,
} from '../../labels.ts';
import { isDecimal } from '../../ip.ts';
import { admits, type Waypoint, waypointOf } from './table.ts';

/** Why an object that asks for a waypoint has none; becomes a condition. */
export interface BindingError {
  readonly reason: string;
  readonly message: string;
}

/** Result of the search for a waypoint. Neither field: none is asked for. */
export interface Binding {
  readonly waypoint?: Waypoint;
  readonly error?: BindingError;
  /** Set when a canary waypoint takes a share, 0 to 100. */
  readonly canary?: { readonly waypoint: Waypoint; readonly weight: number };
  /** Why the canary is not used although the primary is. */
  readonly canaryError?: string;
}

/** The parts of an object that decide its binding. */
export interface Bindable {
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

type Traffic = 'service' | 'workload';

/** Longest text that is read as a number: leading zeros count. */
const MAX_DIGITS = 64;
const NEVER_BOUND = new Set(['istio.io-mesh-controller', 'istio.io-eastwest-controller']);

/** Binding of a Service or ServiceEntry. `isPrivate`: only its own namespace may see it. */
export function bindService(view: View, object: Bindable, isPrivate: boolean): Binding {
  if (NEVER_BOUND.has(object.labels[GATEWAY_MANAGED] ?? '')) return {};
  const found = bind(view, object, 'service');
  if (found.waypoint === undefined) return found;
  if (isPrivate && found.waypoint.namespace !== object.namespace) {
    return { error: crossNamespace(found.waypoint.key) };
  }
  return { ...found, ...canaryOf(view, object, found.waypoint) };
}

/** The waypoint that a workload with these labels is an instance of. */
export function waypointOfInstance(view: View, namespace: string, labels: Labels): Waypoint | undefined {
  const gateway = labels[GATEWAY_NAME];
  return gateway === undefined || gateway === '' ? undefined : waypointOf(view, `${namespace}/${gateway}`);
}

/** Binding of a workload, from its own labels, then its namespace's; none for an instance of a waypoint. */
export function bindWorkload(view: View, namespace: string, labels: Labels): Binding {
  if (waypointOfInstance(view, namespace, labels) !== undefined) return {};
  return bind(view, { namespace, labels, annotations: {} }, 'workload');
}

/** Whether gateways shall go through the waypoint as well: object label first, even malformed, then the namespace's. */
export function ingressUsesWaypoint(view: View, object: Bindable): boolean {
  return goBoolean(ingressLabel(view, object)) ?? false;
}

/** The text of the ingress label that applies. */
export function ingressLabel(view: View, { labels, namespace }: Bindable): string | undefined {
  return labels[INGRESS_USE_WAYPOINT] ?? view.namespaceLabels(namespace)[INGRESS_USE_WAYPOINT];
}

function bind(view: View, { namespace, labels }: Bindable, traffic: Traffic): Binding {
  const own = askedBy(labels, USE_WAYPOINT, USE_WAYPOINT_NAMESPACE, namespace);
  if (own === 'none') return {};
  const asked = own ?? askedBy(view.namespaceLabels(namespace), USE_WAYPOINT, USE_WAYPOINT_NAMESPACE, namespace);
  if (asked === undefined || asked === 'none') return {};
  const waypoint = waypointOf(view, asked);
  const error = refusal(view, waypoint, asked, namespace, traffic);
  if (error === undefined && waypoint !== undefined) return { waypoint };
  // A workload that merely lives in a namespace with a service waypoint did not ask for anything.
  if (error?.reason === 'UnsupportedTrafficType' && traffic === 'workload' && own === undefined) return {};
  return error === undefined ? {} : { error };
}

function refusal(
  view: View,
  waypoint: Waypoint | undefined,
  key: string,
  namespace: string,
  traffic: Traffic,
): BindingError | undefined {
  if (waypoint === undefined) return { reason: 'WaypointIsNotReady', message: `waypoint "${key}" is not ready` };
  if (!admits(view, waypoint, namespace)) {
    const message = `we are not permitted to attach to waypoint "${key}" (missing allowedRoutes?)`;
    return { reason: 'AttachmentDenied', message };
  }
  if (waypoint.trafficType !== 'all' && waypoint.trafficType !== traffic) {
    const message = `attempting to bind to traffic type "${traffic}" which the waypoint "${key}" does not support`;
    return { reason: 'UnsupportedTrafficType', message };
  }
  return undefined;
}

/** Key of the Gateway that one level names, `none`, or undefined when the level says nothing. */
function askedBy(labels: Labels, nameLabel: string, namespaceLabel: string, namespace: string): string | undefined {
  const name = labels[nameLabel];
  if (name === undefined) return undefined;
  return name === 'none' ? 'none' : `${labels[namespaceLabel] ?? namespace}/${name}`;
}

function canaryOf(view: View, object: Bindable, primary: Waypoint): Pick<Binding, 'canary' | 'canaryError'> {
  const { namespace, labels, annotations } = object;
  const isInherited = labels[USE_WAYPOINT] === undefined;
  const own = askedBy(labels, CANARY, CANARY_NAMESPACE, namespace);
  const isOwn = labels[CANARY] !== undefined;
  const level =
    isOwn || !isInherited ? own : askedBy(view.namespaceLabels(namespace), CANARY, CANARY_NAMESPACE, namespace);
  if (level === undefined || level === 'none' || level.endsWith('/')) return {};
  if (level === primary.key) return { canaryError: `canary waypoint "${level}" must differ from the primary waypoint` };
  const text =
    annotations[CANARY_WEIGHT] ?? (isInherited ? view.namespaceAnnotations(namespace)[CANARY_WEIGHT] : undefined);
  const weight = weightOf(text);
  if (weight === undefined) {
    return { canaryError: `canary waypoint "${level}" has an invalid weight; must be an integer in [0,100]` };
  }
  const waypoint = waypointOf(view, level);
  const error = refusal(view, waypoint, level, namespace, 'service');
  if (error !== undefined || waypoint === undefined) return { canaryError: error?.message ?? '' };
  return { canary: { waypoint, weight } };
}

/** A whole number with an optional sign, as Go's strconv reads it. */
function weightOf(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  const digits = text.startsWith('+') || text.startsWith('-') ? text.slice(1) : text;
  const weight = isDecimal(digits, MAX_DIGITS) ? Number(text) : Number.NaN;
  return weight >= 0 && weight <= 100 ? Math.abs(weight) : undefined;
}

function crossNamespace(key: string): BindingError {
  return {
    reason: 'CrossNamespaceWaypointForbidden',
    message:
      `cannot bind to waypoint "${key}" in another namespace: cross-namespace waypoint binding is not permitted ` +
      'for a ServiceEntry with NAMESPACE visibility',
  };
}
