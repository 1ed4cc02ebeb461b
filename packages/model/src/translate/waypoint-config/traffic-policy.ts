// The blocks of a DestinationRule's traffic policy -> fields of a Backend (spec waypoint 3.10, 3.11, 5). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type BackendSchema,
  ClientTls_Mode,
  type ClientTlsSchema,
  type ConnectionPoolSchema,
  type HashPolicySchema,
  LoadBalancer_Algo,
  type LoadBalancerSchema,
  type LocalityLbSchema,
  type OutlierSchema,
} from '@ambit/proto/waypoint';
import type { EffectivePolicy } from './destination-rule.ts';
import { durationOf, goDurationMs } from './duration.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type BackendInit = Init<MessageInitShape<typeof BackendSchema>>;
type Block<K extends keyof EffectivePolicy> = NonNullable<EffectivePolicy[K]>;

const ALGORITHMS: Readonly<Record<string, LoadBalancer_Algo>> = {
  ROUND_ROBIN: LoadBalancer_Algo.ROUND_ROBIN,
  RANDOM: LoadBalancer_Algo.RANDOM,
  PASSTHROUGH: LoadBalancer_Algo.PASSTHROUGH,
};
const TLS_MODES: Readonly<Record<string, ClientTls_Mode>> = {
  SIMPLE: ClientTls_Mode.SIMPLE,
  MUTUAL: ClientTls_Mode.MUTUAL,
};
const UPGRADE_POLICIES: Readonly<Record<string, number>> = { DO_NOT_UPGRADE: 1, UPGRADE: 2 };
const DEFAULT_RING_SIZE = 1024;
/** Upstream's defaults of an `outlierDetection` block. */
const OUTLIER = { consecutive5xx: 5, intervalMs: 10_000, baseMs: 30_000, maxPercent: 10 };

/** Fields of a Backend for a policy. */
export function backendFields(policy: EffectivePolicy): Partial<BackendInit> {
  const { loadBalancer, connectionPool, outlierDetection, tls, proxyProtocol, retryBudget } = policy;
  const clientTls = tls && tlsOf(tls);
  const locality = loadBalancer?.localityLbSetting && localityOf(loadBalancer.localityLbSetting);
  const version = { V1: 1, V2: 2 }[proxyProtocol?.version ?? ''];
  return {
    ...(loadBalancer && { lb: loadBalancerOf(loadBalancer) }),
    ...(connectionPool && { pool: poolOf(connectionPool) }),
    ...(connectionPool?.http?.h2UpgradePolicy !== undefined && {
      h2Policy: UPGRADE_POLICIES[connectionPool.http.h2UpgradePolicy] ?? 0,
    }),
    ...(connectionPool?.http?.useClientProtocol === true && { useClientProtocol: true }),
    ...(outlierDetection && { outlier: outlierOf(outlierDetection) }),
    ...(clientTls && { tls: clientTls }),
    ...(locality && { locality }),
    ...(version !== undefined && { proxyProtocol: version }),
    ...(retryBudget && {
      retryBudget: {
        percent: retryBudget.percent ?? 20,
        minConcurrency: retryBudget.minRetryConcurrency ?? 3,
        ...span('interval', retryBudget.budgetInterval),
      },
    }),
  };
}

type Span = { seconds: bigint; nanos: number };

/** A duration field, absent when the text is none. */
function span<K extends string>(field: K, text: string | undefined): Partial<Record<K, Span>> {
  const ms = goDurationMs(text);
  return ms === undefined ? {} : ({ [field]: durationOf(ms) } as Record<K, Span>);
}

function loadBalancerOf(block: Block<'loadBalancer'>): Init<MessageInitShape<typeof LoadBalancerSchema>> {
  const warmup = block.warmup?.duration ?? block.warmupDurationSecs;
  const hash = block.consistentHash && hashOf(block.consistentHash);
  return {
    algo: hash ? LoadBalancer_Algo.HASH : (ALGORITHMS[block.simple ?? ''] ?? LoadBalancer_Algo.LEAST_REQUEST),
    ...(hash && { hash }),
    ...span('warmup', warmup),
    ...(warmup !== undefined && {
      warmupMin: block.warmup?.minimumPercent ?? 10,
      warmupAggression: block.warmup?.aggression ?? 1,
    }),
  };
}

function hashOf(
  block: NonNullable<Block<'loadBalancer'>['consistentHash']>,
): Init<MessageInitShape<typeof HashPolicySchema>> | undefined {
  const maglev = block.maglev !== undefined;
  const size = maglev
    ? (block.maglev?.tableSize ?? 0)
    : (block.ringHash?.minimumRingSize ?? block.minimumRingSize ?? DEFAULT_RING_SIZE);
  if (block.httpHeaderName !== undefined) {
    return { key: { case: 'header', value: block.httpHeaderName }, maglev, size };
  }
  if (block.httpCookie !== undefined) {
    const { name = '', path = '', ttl } = block.httpCookie;
    return { key: { case: 'cookie', value: { name, path, ...span('ttl', ttl) } }, maglev, size };
  }
  if (block.httpQueryParameterName !== undefined) {
    return { key: { case: 'query', value: block.httpQueryParameterName }, maglev, size };
  }
  return block.useSourceIp === true ? { key: { case: 'sourceIp', value: true }, maglev, size } : undefined;
}

function poolOf({ tcp, http }: Block<'connectionPool'>): Init<MessageInitShape<typeof ConnectionPoolSchema>> {
  return {
    maxConnections: tcp?.maxConnections ?? 0,
    maxPending: http?.http1MaxPendingRequests ?? 0,
    maxRequests: http?.http2MaxRequests ?? 0,
    maxRetries: http?.maxRetries ?? 0,
    maxRequestsPerConnection: http?.maxRequestsPerConnection ?? 0,
    maxStreams: http?.maxConcurrentStreams ?? 0,
    ...span('connect', tcp?.connectTimeout),
    ...span('tcpIdle', tcp?.idleTimeout),
    ...span('httpIdle', http?.idleTimeout ?? tcp?.idleTimeout),
    ...span('maxAge', tcp?.maxConnectionDuration),
    ...(tcp?.tcpKeepalive && {
      tcpKeepalive: {
        probes: tcp.tcpKeepalive.probes ?? 0,
        ...span('time', tcp.tcpKeepalive.time),
        ...span('interval', tcp.tcpKeepalive.interval),
      },
    }),
    ...(http?.http2KeepAlive && {
      h2Ping: { ...span('interval', http.http2KeepAlive.interval), ...span('time', http.http2KeepAlive.timeout) },
    }),
  };
}

function outlierOf(block: Block<'outlierDetection'>): Init<MessageInitShape<typeof OutlierSchema>> {
  const isGatewayOnly = block.consecutive5xxErrors === undefined && block.consecutiveGatewayErrors !== undefined;
  return {
    consecutive5xx: block.consecutive5xxErrors ?? (isGatewayOnly ? 0 : OUTLIER.consecutive5xx),
    consecutiveGateway: block.consecutiveGatewayErrors ?? 0,
    consecutiveLocal: block.consecutiveLocalOriginFailures ?? 0,
    split: block.splitExternalLocalOriginErrors ?? false,
    interval: durationOf(goDurationMs(block.interval) ?? OUTLIER.intervalMs),
    base: durationOf(goDurationMs(block.baseEjectionTime) ?? OUTLIER.baseMs),
    maxPercent: block.maxEjectionPercent ?? OUTLIER.maxPercent,
    minHealthPercent: block.minHealthPercent ?? 0,
  };
}

function localityOf(
  block: NonNullable<Block<'loadBalancer'>['localityLbSetting']>,
): Init<MessageInitShape<typeof LocalityLbSchema>> {
  return {
    enabled: block.enabled ?? true,
    distribute: (block.distribute ?? []).map(({ from = '', to = {} }) => ({ from, to: { ...to } })),
    failover: (block.failover ?? []).map(({ from = '', to = '' }) => ({ from, to })),
    priorityLabels: [...(block.failoverPriority ?? [])],
  };
}

/** TLS that the waypoint adds; ISTIO_MUTUAL is what HBONE does anyway. */
function tlsOf(block: Block<'tls'>): Init<MessageInitShape<typeof ClientTlsSchema>> | undefined {
  const mode = TLS_MODES[block.mode ?? ''];
  if (mode === undefined) return undefined;
  return {
    mode,
    sni: block.sni ?? '',
    autoSni: block.sni === undefined,
    sans: [...(block.subjectAltNames ?? [])],
    certificate: block.clientCertificate ?? (mode === ClientTls_Mode.MUTUAL ? (block.credentialName ?? '') : ''),
    ca: block.caCertificates ?? (mode === ClientTls_Mode.SIMPLE ? (block.credentialName ?? '') : ''),
    systemCa: block.caCertificates === undefined && block.credentialName === undefined,
    crl: block.caCrl ?? '',
    insecure: block.insecureSkipVerify ?? false,
  };
}
