// Settings of the control plane: environment and arguments -> one frozen value. Names are Istio's (spec control-plane 0.3);
// what only we have begins with AMBIT_. Read once, by main.ts.
import { availableParallelism } from 'node:os';
import type { Prefix } from '@ambit/model/ip';
import {
  bool,
  choice,
  ConfigError,
  count,
  durationMs,
  type EnvOf,
  list,
  parseDuration,
  readEnv,
  text,
} from '@ambit/runtime/env';
import { messageOf } from '@ambit/runtime/errors';
import { readTrustedNetworks } from './clients/forwarded-certificate.ts';
import { type JwtRule, readJwtRule } from './clients/jwt-rule.ts';
import { declinedIn } from './declined-environment.ts';

/** The environment table; the reference page is generated from it. */
export const environment = {
  POD_NAME: text('istiod', 'Name of this pod; identity in leader election.'),
  POD_NAMESPACE: text('istio-system', 'The system namespace.'),
  CLUSTER_ID: text('Kubernetes', 'Cluster id in resource names and tokens.'),
  REVISION: text('default', 'Revision of this control plane.'),
  KUBERNETES_SERVICE_HOST: text(undefined, 'Address of the API server inside a cluster.'),
  KUBERNETES_SERVICE_PORT: count(443, 'Port of the API server inside a cluster.', { max: 65535 }),
  KUBECONFIG: text(undefined, 'Kubeconfig file of the cluster; inside a cluster a missing file means this one.'),
  TOKEN_AUDIENCES: list(['istio-ca'], 'Audiences of which a client token must carry one.'),
  JWT_RULE: text(
    '',
    'Tokens of another issuer count as well: JSON with issuer, audiences and, unless it is to be discovered, jwksUri.',
  ),
  TRUSTED_GATEWAY_CIDR: list(
    [],
    'Networks of gateways that end TLS before this process and say in x-forwarded-client-cert who calls.',
  ),
  XDS_AUTH: bool(true, 'False: xDS is open to everybody.'),
  PILOT_ENABLE_XDS_IDENTITY_CHECK: bool(true, 'False: a client may claim any namespace.'),
  ENABLE_DEBUG_ON_HTTP: bool(true, 'Serve debug pages on 15014 and 8080.'),
  ENABLE_DEBUG_ENDPOINT_AUTH: bool(true, 'False: debug pages answer to everybody in reach.'),
  ENABLE_CA_SERVER: bool(true, 'Serve the certificate authority.'),
  AMBIT_SERVING_TLS_DIR: text(
    '/var/run/secrets/istiod/tls',
    'ENABLE_CA_SERVER=false: folder with tls.crt and tls.key to serve with.',
  ),
  AMBIT_SERVING_ROOT_FILE: text('/var/run/secrets/istiod/ca/root-cert.pem', 'ENABLE_CA_SERVER=false: trusted roots.'),
  ENABLE_LEADER_ELECTION: bool(true, 'False: this replica always writes.'),
  CA_TRUSTED_NODE_ACCOUNTS: list([], 'Service accounts <ns>/<name> that may ask for identities of pods on their node.'),
  ROOT_CA_DIR: text('/etc/cacerts', 'Folder with plugged-in CA files; a self-signed root is made when it is empty.'),
  ISTIO_MULTIROOT_MESH: bool(false, 'Plugged-in roots may be exchanged while the mesh runs, step by step.'),
  EXTERNAL_CA: choice(
    ['', 'ISTIOD_RA_KUBERNETES_API', 'AMBIT_RA_CERT_MANAGER', 'AMBIT_RA_VAULT'],
    '',
    'Another system signs; its roots stand in caCertificates of the mesh configuration. Empty: the keys are here.',
  ),
  K8S_SIGNER: text('', 'ISTIOD_RA_KUBERNETES_API: signer of requests that name none.'),
  CERT_SIGNER_DOMAIN: text('', 'ISTIOD_RA_KUBERNETES_API: stands before the signer that a request names.'),
  AMBIT_CERT_MANAGER_ISSUER: text('', 'AMBIT_RA_CERT_MANAGER: [[<group>/]<kind>/]<name> of the issuer.'),
  AMBIT_VAULT_ADDRESS: text(undefined, 'AMBIT_RA_VAULT: URL of Vault.'),
  AMBIT_VAULT_PATH: text('pki/sign/istio', 'AMBIT_RA_VAULT: path of the role that signs, below /v1/.'),
  AMBIT_VAULT_TOKEN_FILE: text('/var/run/secrets/vault/token', 'AMBIT_RA_VAULT: file with the token.'),
  AMBIT_VAULT_CA_FILE: text(undefined, "AMBIT_RA_VAULT: roots of Vault's own certificate."),
  DEFAULT_WORKLOAD_CERT_TTL: durationMs(24 * 3_600_000, 'Life of a certificate when the request names none.'),
  MAX_WORKLOAD_CERT_TTL: durationMs(90 * 24 * 3_600_000, 'Longest life of a certificate.'),
  PILOT_REMOTE_CLUSTER_TIMEOUT: durationMs(
    30_000,
    'Start goes on without a remote cluster that answers nothing for so long.',
  ),
  EXTERNAL_ISTIOD: bool(
    false,
    'Hand out roots and complete webhooks in other clusters whose system namespace is annotated with our id, too.',
  ),
  LOCAL_CLUSTER_SECRET_WATCHER: bool(
    false,
    'With EXTERNAL_ISTIOD: Secrets of other clusters are read where this process runs, not in the cluster that KUBECONFIG names.',
  ),
  PILOT_MULTICLUSTER_KUBECONFIG_PATH: text(
    '',
    'Folder with kubeconfigs (.yaml, .yml) of other clusters, in place of Secrets; an id is the name of the cluster in it.',
  ),
  ISTIOD_CUSTOM_HOST: list([], 'Further DNS names in the serving certificate.'),
  PILOT_CA_CERT_CONFIGMAP: text('istio-ca-root-cert', 'ConfigMap with the root certificate, in every namespace.'),
  ENABLE_CLUSTER_TRUST_BUNDLE_API: bool(
    false,
    'Publish the root certificate as ClusterTrustBundle istio.io:istiod-ca:root-cert, beside the ConfigMaps (certificates.k8s.io/v1beta1).',
  ),
  PILOT_ENABLE_CA_CRL: bool(true, 'Distribute revocation lists.'),
  PILOT_CRL_CONFIGMAP: text('istio-ca-crl', 'ConfigMap with revocation lists, in every namespace.'),
  ISTIO_GPRC_MAXRECVMSGSIZE: count(
    64 * 1024 * 1024,
    'Largest message of a client, in bytes; a reconnecting one lists all it has.',
    {
      min: 65_536,
      max: 1024 * 1024 * 1024,
    },
  ),
  ISTIO_GPRC_MAXSTREAMS: count(100_000, 'Streams in one connection.', { min: 1 }),
  PILOT_DEBOUNCE_AFTER: durationMs(100, 'Quiet time before changes are pushed while there are many.'),
  PILOT_DEBOUNCE_MAX: durationMs(10_000, 'Longest wait of a change.'),
  PILOT_MAX_REQUESTS_PER_SECOND: count(
    0,
    'New xDS streams per second; others wait up to a second, then are told to come again. 0 = by processors: 15 and 5 for each, at most 100.',
  ),
  PILOT_STATUS_MAX_WORKERS: count(16, 'Status writes at the same time.', { min: 1, max: 100 }),
  PILOT_ENABLE_AMBIENT_WAYPOINTS: bool(true, 'Serve the waypoint GatewayClass.'),
  PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: bool(true, 'Deploy waypoints for Gateways.'),
  PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS: bool(
    true,
    'Labels and annotations of a Gateway without infrastructure settings go to its objects.',
  ),
  PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER: bool(true, 'Create the GatewayClasses that are missing.'),
  PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API: bool(true, 'Serve the class of gateways in other networks.'),
  PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME: text('istio', 'Name of the class of ingress gateways.'),
  PILOT_GATEWAY_API_CONTROLLER_NAME: text('istio.io/gateway-controller', 'Controller of that class.'),
  PILOT_ENABLE_GATEWAY_API_STATUS: bool(true, 'Write statuses of Gateways and routes.'),
  AMBIENT_ENABLE_STATUS: bool(true, 'Write ambient conditions.'),
  PILOT_AUTO_ALLOW_WAYPOINT_POLICY: bool(false, 'Add policies that let waypoints through.'),
  AMBIENT_ENABLE_MULTI_NETWORK: bool(false, 'Services over several networks.'),
  AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY: bool(false, 'Send dry-run policies to the node proxies.'),
  PILOT_ENABLE_SERVICEENTRY_SELECT_PODS: bool(true, 'ServiceEntries may select pods.'),
  PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES: bool(true, 'Services may select WorkloadEntries.'),
  PILOT_ENABLE_IP_AUTOALLOCATE: bool(true, 'Give addresses to ServiceEntries without any.'),
  PILOT_ENABLE_NODE_UNTAINT_CONTROLLERS: bool(false, 'Take a taint off nodes whose node agent is ready.'),
  PILOT_NODE_UNTAINT_CONTROLLERS_CNI_NAMESPACE: text('', 'Namespace of the node agents; empty: that of this process.'),
  PILOT_NODE_UNTAINT_CONTROLLERS_TAINT_NAME: text('cni.istio.io/not-ready', 'Key of that taint.'),
  PILOT_IP_AUTOALLOCATE_IPV4_PREFIX: text('240.240.0.0/16', 'Range of these addresses.'),
  PILOT_IP_AUTOALLOCATE_IPV6_PREFIX: text('2001:2::/48', 'Range of these addresses, IPv6.'),
  PILOT_TRACE_SAMPLING: text('1', 'Percentage of requests that are traced where nothing else says a number.'),
  AMBIT_PROXY_IMAGE: text('ambit/proxyv2:latest', 'Image of the waypoints that are deployed.'),
  AMBIT_DEPLOY_GATEWAYS: bool(
    false,
    'Deploy pods for ingress and east-west Gateways, for a proxy image that takes these roles: ours does not.',
  ),
  AMBIT_REPLACE_WAYPOINTS: bool(false, "Take over Deployments of waypoints that run upstream's proxy."),
  AMBIT_TELEMETRY: bool(
    false,
    'Take flows of proxies on port 15012 and let tools watch them, as Kubernetes permissions say; waypoints are deployed so that they report.',
  ),
  AMBIT_LISTEN_HOST: text('0.0.0.0', 'Address of the xDS, CA, readiness and metrics ports.'),
  AMBIT_LOG_FORMAT: choice(['plain', 'json'], 'plain', 'Form of the log.'),
} as const;

/** What the arguments say; unknown ones are ignored, as upstream's charts pass many. */
export interface Arguments {
  /** `--domain`, default `cluster.local`. */
  readonly domain: string;
  /** Level of our own log: `--log_output_level=default:<level>`, default `info`. */
  readonly logLevel: string;
  /**
   * `--keepaliveMaxServerConnectionAge`: a connection is ended after this time (and 10 s of grace), so that clients spread over
   * replicas. Undefined = never.
   */
  readonly maxConnectionAgeMs: number | undefined;
}

/** The whole configuration. */
export type ControlPlaneConfig = EnvOf<typeof environment> &
  Arguments & {
    /** Variables that are set and not read, though they ask for something else than what holds here. */
    readonly declined: readonly string[];
    /** New xDS streams per second. */
    readonly streamsPerSecond: number;
    /** `JWT_RULE`, read. */
    readonly jwtRule: JwtRule | undefined;
    /** `TRUSTED_GATEWAY_CIDR`, read. */
    readonly trustedGateways: readonly Prefix[];
    /** Feature switches for the translation, as given. */
    readonly flags: Readonly<Record<string, string>>;
  };

/** Upstream's rule for machines of any size: 20 for one processor, 25 for two, 100 from 17 on. */
function streamsPerSecondOf(setting: number, processors: number): number {
  return setting > 0 ? setting : Math.min(15 + 5 * processors, 100);
}

/** Reads environment and arguments. `processors`: those that this process may use. Throws ConfigError that names all problems. */
export function readConfig(
  source: Readonly<Record<string, string | undefined>> = process.env,
  args: readonly string[] = [],
  processors: number = availableParallelism(),
): ControlPlaneConfig {
  const env = readEnv(environment, source);
  const flags: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (typeof value === 'boolean') flags[name] = String(value);
  flags['PILOT_TRACE_SAMPLING'] = env.PILOT_TRACE_SAMPLING;
  const jwtRule = checked('JWT_RULE', () => readJwtRule(env.JWT_RULE));
  const trustedGateways = checked('TRUSTED_GATEWAY_CIDR', () => readTrustedNetworks(env.TRUSTED_GATEWAY_CIDR));
  return Object.freeze({
    ...env,
    ...readArguments(args),
    flags,
    streamsPerSecond: streamsPerSecondOf(env.PILOT_MAX_REQUESTS_PER_SECOND, processors),
    jwtRule,
    trustedGateways,
    declined: declinedIn(source),
  });
}

/** Reads a variable that is more than one word. */
function checked<T>(name: keyof typeof environment, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError([`${name} ${messageOf(error)}`]);
  }
}

function readArguments(args: readonly string[]): Arguments {
  const valueOf = (name: string): string | undefined => {
    const joined = args.find((arg) => arg.startsWith(`--${name}=`));
    if (joined !== undefined) return joined.slice(name.length + 3);
    const index = args.indexOf(`--${name}`);
    return index < 0 ? undefined : args[index + 1];
  };
  const level = valueOf('log_output_level')
    ?.split(',')
    .find((part) => part.startsWith('default:') || !part.includes(':'));
  return {
    domain: valueOf('domain') ?? 'cluster.local',
    logLevel: level?.replace('default:', '') ?? 'info',
    maxConnectionAgeMs: parseDuration(valueOf('keepaliveMaxServerConnectionAge') ?? ''),
  };
}
