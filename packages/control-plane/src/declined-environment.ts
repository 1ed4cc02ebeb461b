// Variables of upstream's control plane that this one does not read, each with the reason. In: the environment. Out: those that are set to
// something else than what holds here anyway. The reference page prints the table; main.ts warns. Pure.

/** A variable that is not read. */
export interface DeclinedVariable {
  /** What it would do, or why there is nothing to do here. */
  readonly reason: string;
  /** Values that say what holds here anyway: no warning. */
  readonly holds: readonly string[];
}

const declined = (reason: string, ...holds: readonly string[]): DeclinedVariable => ({ reason, holds });

/** By name. */
export const declinedEnvironment: Readonly<Record<string, DeclinedVariable>> = {
  PILOT_ENABLE_AMBIENT: declined('There is no other mode: node proxies are always served.', 'true'),
  AMBIENT_SCOPED_ADDRESS_PUSHES: declined('A waypoint is always told only of what is behind it.', 'true'),
  AMBIENT_ENABLE_BAGGAGE: declined('Peer metadata in a header: our waypoints have it from addresses.', 'false'),
  AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT: declined('Our waypoints do not lead into other networks yet.', 'false'),
  AMBIENT_ENABLE_MULTI_NETWORK_INGRESS: declined('Ingress gateways are not served.', 'false'),
  ENABLE_INGRESS_WAYPOINT_ROUTING: declined(
    'Whether ingress shall take the waypoint is always published; ingress gateways themselves are not served.',
    'true',
  ),
  ENABLE_LAYERED_WAYPOINT_AUTHORIZATION_POLICIES: declined(
    'Policies with a selector hold at node proxies, those with targetRefs at waypoints.',
    'false',
  ),
  ENABLE_WILDCARD_HOST_SERVICE_ENTRIES_FOR_TLS: declined(
    'Our waypoints do not resolve names of wildcard hosts.',
    'false',
  ),
  PILOT_ENABLE_GATEWAY_API: declined('Kinds of the Gateway API are read as soon as the cluster serves them.', 'true'),
  ENABLE_GATEWAY_API_MANUAL_DEPLOYMENT: declined(
    'A Gateway with a host name as address is always run by others.',
    'true',
  ),
  ISTIO_WATCH_NAMESPACE: declined(
    'All namespaces are watched; discoverySelectors of the mesh configuration narrow it.',
    '',
  ),
  PILOT_PUSH_THROTTLE: declined('Bytes are made once for all clients: there is no work per client to limit.'),
  ENABLE_XDS_API_GENERATOR_AUTH: declined('Configuration is not served over xDS (MCP).', 'true'),
  UNSAFE_ENABLE_ADMIN_ENDPOINTS: declined('There are no debug pages that change anything but adsz?push=true.', 'false'),
  PILOT_CERT_PROVIDER: declined(
    'The serving certificate is ours, or with ENABLE_CA_SERVER=false the one at AMBIT_SERVING_TLS_DIR.',
    'istiod',
  ),
  USE_CACERTS_FOR_SELF_SIGNED_CA: declined('A self-signed root stays in Secret istio-ca-secret.', 'false'),
  CITADEL_SELF_SIGNED_CA_RSA_KEY_SIZE: declined(
    'New roots have keys of P-256; RSA keys that exist are used as they are.',
  ),
  PILOT_INSECURE_MULTICLUSTER_KUBECONFIG_OPTIONS: declined(
    'A kubeconfig that names programs or files of this machine is always refused.',
    '',
  ),
  PILOT_ENABLE_WORKLOAD_ENTRY_AUTOREGISTRATION: declined(
    'Machines outside of the cluster need a WorkloadEntry that somebody writes.',
    'false',
  ),
  PILOT_WORKLOAD_ENTRY_GRACE_PERIOD: declined('As the one before.'),
  PILOT_ENABLE_ANALYSIS: declined(
    '`ambit analyze` and the console say it; no messages are written into statuses.',
    'false',
  ),
  ISTIO_KUBE_CLIENT_CONTENT_TYPE: declined('The API server is spoken to in JSON.', 'json', 'application/json'),
  BLOCKED_CIDRS_IN_JWKS_URIS: declined('The control plane fetches no key sets that policies name: waypoints do.', ''),
};

/** Those that are set and ask for something that does not hold here. */
export function declinedIn(source: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(declinedEnvironment)
    .filter(([name, { holds }]) => {
      const value = source[name];
      return value !== undefined && value !== '' && !holds.includes(value);
    })
    .map(([name]) => name);
}
