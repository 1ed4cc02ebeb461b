// In: nothing. Out: the type URLs of every resource that this mesh moves over xDS. Any thread.

const PREFIX = 'type.googleapis.com/';

/** `istio.workload.Address`: a workload or a service. */
export const ADDRESS_TYPE_URL = `${PREFIX}istio.workload.Address`;
/** `istio.workload.Workload`: the older form with workloads only. */
export const WORKLOAD_TYPE_URL = `${PREFIX}istio.workload.Workload`;
/** `istio.security.Authorization`: an L4 policy. */
export const AUTHORIZATION_TYPE_URL = `${PREFIX}istio.security.Authorization`;
/** Health of a workload entry, sent by a client; never a resource. */
export const HEALTH_TYPE_URL = `${PREFIX}istio.v1.HealthInformation`;
/** Prefix of the debug types, which are answered at once and never subscribed. */
export const DEBUG_TYPE_PREFIX = 'istio.io/debug';

/** T1: the one ProxyConfig of a waypoint, named `self`. */
export const PROXY_CONFIG_TYPE_URL = `${PREFIX}ambit.waypoint.v1.ProxyConfig`;
/** T2: a port that the waypoint listens on. */
export const LISTENER_TYPE_URL = `${PREFIX}ambit.waypoint.v1.Listener`;
/** T3: a service or workload behind the waypoint. */
export const FRONTEND_TYPE_URL = `${PREFIX}ambit.waypoint.v1.Frontend`;
/** T4: the routes of one frontend port or listener host. */
export const ROUTE_TABLE_TYPE_URL = `${PREFIX}ambit.waypoint.v1.RouteTable`;
/** T5: a destination of routes. */
export const BACKEND_TYPE_URL = `${PREFIX}ambit.waypoint.v1.Backend`;
/** T6: one user policy. */
export const POLICY_TYPE_URL = `${PREFIX}ambit.waypoint.v1.Policy`;
/** T7: key material, on demand only. */
export const SECRET_TYPE_URL = `${PREFIX}ambit.waypoint.v1.Secret`;
/** T8: extension code, on demand only. */
export const EXTENSION_TYPE_URL = `${PREFIX}ambit.waypoint.v1.Extension`;

/** The waypoint's own types in the order in which additions are sent; removals go the other way (spec waypoint 2.4). */
export const WAYPOINT_TYPE_URLS = [
  SECRET_TYPE_URL,
  EXTENSION_TYPE_URL,
  POLICY_TYPE_URL,
  BACKEND_TYPE_URL,
  ROUTE_TABLE_TYPE_URL,
  FRONTEND_TYPE_URL,
  LISTENER_TYPE_URL,
  PROXY_CONFIG_TYPE_URL,
] as const;

/** The type URL of a message type name. */
export function typeUrlOf(typeName: string): string {
  return PREFIX + typeName;
}
