// Chart values that shape what is deployed for Gateways (spec control-plane 6.3, 7.5): `global.waypoint.*`, `global.proxy.*` and
// their neighbours. In: the values as the chart stored them, any JSON. Out: checked values; what does not fit keeps its default. Pure.

type Json = Readonly<Record<string, unknown>>;

/** What the values say about the objects of Gateways. */
export interface GatewayValues {
  /** Container resources of waypoints and east-west gateways. */
  readonly waypointResources: Json;
  /** Container resources of ingress and egress gateways. */
  readonly proxyResources: Json;
  /** Pod fields of waypoints, copied as they are: `affinity`, `nodeSelector`, `tolerations`, `topologySpreadConstraints`. */
  readonly scheduling: Json;
  /** Pod security of ingress gateways; undefined = ports below 1024 are opened by a sysctl. */
  readonly gatewaySecurity: Json | undefined;
  readonly seccompProfile: Json | undefined;
  /** Names of Secrets. */
  readonly imagePullSecrets: readonly string[];
  /** `global.network`; empty when it is not set. */
  readonly network: string;
  /** An image with a path, from `global.proxy.image`; undefined = the image of this control plane. */
  readonly image: string | undefined;
  readonly imagePullPolicy: string | undefined;
  /** `global.caAddress`; empty = this control plane. */
  readonly caAddress: string;
  /** `global.multiCluster.clusterName`; empty = as this control plane. */
  readonly clusterName: string;
  /** `global.meshID`; empty = the trust domain. */
  readonly meshId: string;
  readonly logLevel: string;
  readonly componentLogLevel: string;
  /** `global.logging.level`, the level of everything that is not the proxy's core. */
  readonly agentLogLevel: string;
  readonly logsJson: boolean;
  readonly lifecycle: Json | undefined;
  /** True where user and group ids are given out by the platform. */
  readonly isOpenShift: boolean;
  /** Name of the ConfigMap with the root certificate. */
  readonly rootConfigMap: string;
  /** Audience of the projected token of ingress gateways. */
  readonly tokenAudience: string;
}

const WAYPOINT_RESOURCES: Json = {
  requests: { cpu: '100m', memory: '128Mi' },
  limits: { cpu: '2', memory: '1Gi' },
};
const PROXY_RESOURCES: Json = {
  requests: { cpu: '100m', memory: '128Mi' },
  limits: { cpu: '2000m', memory: '1024Mi' },
};
const MAPS = ['affinity', 'nodeSelector'] as const;
const LISTS = ['tolerations', 'topologySpreadConstraints'] as const;

/** Reads the values. */
export function gatewayValues(values: unknown): GatewayValues {
  const root = mapOf(values);
  const global = mapOf(root['global']);
  const waypoint = mapOf(global['waypoint']);
  const proxy = mapOf(global['proxy']);
  const gateways = mapOf(root['gateways']);
  const scheduling: Record<string, unknown> = {};
  for (const field of MAPS) if (Object.keys(mapOf(waypoint[field])).length > 0) scheduling[field] = waypoint[field];
  for (const field of LISTS) if (listOf(waypoint[field]).length > 0) scheduling[field] = waypoint[field];
  const image = textOf(proxy['image']);
  return {
    waypointResources: merged(WAYPOINT_RESOURCES, mapOf(waypoint['resources'])),
    proxyResources: merged(PROXY_RESOURCES, mapOf(proxy['resources'])),
    scheduling,
    gatewaySecurity: filled(gateways['securityContext']),
    seccompProfile: filled(gateways['seccompProfile']),
    imagePullSecrets: listOf(global['imagePullSecrets']).filter((name) => typeof name === 'string'),
    network: textOf(global['network']),
    image: image.includes('/') ? image : undefined,
    imagePullPolicy: textOf(global['imagePullPolicy']) || undefined,
    caAddress: textOf(global['caAddress']),
    clusterName: textOf(mapOf(global['multiCluster'])['clusterName']),
    meshId: textOf(global['meshID']),
    logLevel: textOf(proxy['logLevel']) || 'warning',
    componentLogLevel: textOf(proxy['componentLogLevel']) || 'misc:error',
    agentLogLevel: textOf(mapOf(global['logging'])['level']) || 'default:info',
    logsJson: global['logAsJson'] === true,
    lifecycle: filled(proxy['lifecycle']),
    isOpenShift: global['platform'] === 'openshift',
    rootConfigMap: textOf(global['trustBundleName']) || 'istio-ca-root-cert',
    tokenAudience: textOf(mapOf(mapOf(global['sds'])['token'])['aud']) || 'istio-ca',
  };
}

/** Values laid over defaults as charts do it: maps are merged, null takes a default away. */
function merged(defaults: Json, given: Json): Json {
  const entries = new Map(Object.entries(defaults));
  for (const [key, value] of Object.entries(given)) {
    const known = entries.get(key);
    if (value === null) entries.delete(key);
    else entries.set(key, isMap(known) && isMap(value) ? merged(known, value) : value);
  }
  return Object.fromEntries(entries);
}

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const mapOf = (value: unknown): Json => (isMap(value) ? value : {});
const filled = (value: unknown): Json | undefined =>
  isMap(value) && Object.keys(value).length > 0 ? value : undefined;
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
