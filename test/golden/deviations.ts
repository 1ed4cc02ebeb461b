// Recorded behaviour that we leave on purpose, with the reason of each. Keys are titles of cases without their numbers. Read by the
// golden tests of this folder; a case that is listed here and agrees all the same is a stale entry and fails.

/** Cases of one group. */
export type Deviations = Readonly<Record<string, string>>;

/** `cases/wds`: W18 of the decisions keeps what is safe where upstream's result weakens security. */
export const wdsDeviations: Deviations = {
  'serviceentry-static-endpoints': 'an endpoint without network does not inherit the one before it (W16)',
  'mtls-ports-workload-permissive-mixed-ports-mesh-strict': 'the STRICT port is enforced (W18)',
  'mtls-ports-workload-disable-mixed-ports-mesh-strict': 'the STRICT port is enforced (W18)',
  'mtls-ports-workload-permissive-strict-port-mesh-strict-quirk': 'the STRICT port is enforced (W18)',
  'mtls-ports-workload-unset-permissive-namespace-unset-mesh-strict': 'UNSET is resolved before ports (W18)',
};

/** `cases/waypoint-routes`. */
export const waypointRoutesDeviations: Deviations = {
  'httproute-backend-without-port-drops-route': 'only the share of that backend fails (spec waypoint 3.4)',
  'httproute-timeouts-retry-mirror-cors': 'backendRequest does not replace request (spec waypoint 3.5)',
  'httproute-consumer-namespace': 'consumer routes work (spec waypoint 3.2)',
};

/** `cases/validate`. */
export const validateDeviations: Deviations = {};

/** `cases/analyze`. */
export const analyzeDeviations: Deviations = {};
