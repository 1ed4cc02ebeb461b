/**
 * The process configuration in; the `config` member of `/config_dump` and of the start-up log out. Pure; main thread.
 *
 * Keys are those of ztunnel's dump, durations are `{secs, nanos}` (spec/node-proxy.md 9.6). Never shown: tokens, roots
 * given as text, values of extra headers (ztunnel shows those), local state.
 */
import type { ControlPlaneAddress, NodeProxyConfig } from '../config.ts';
import { PORTS } from '../inpod/pod-proxy.ts';

/** What operators see of the configuration. */
export function shownConfig(config: NodeProxyConfig): Record<string, unknown> {
  const { env } = config;
  const any = env.IPV6_ENABLED ? '[::]' : '0.0.0.0';
  return {
    proxy: env.ENABLE_PROXY,
    proxyMode: config.mode === 'shared' ? 'Shared' : 'Dedicated',
    proxyArgs: process.argv.slice(2).join(' '),
    network: env.NETWORK,
    localNode: env.NODE_NAME ?? null,
    localIp: env.INSTANCE_IP,
    clusterId: config.clusterId,
    clusterDomain: env.CLUSTER_DOMAIN,
    ztunnelWorkload: config.ownWorkload ?? null,
    proxyWorkloadInformation: config.dedicatedWorkload ?? null,
    proxyMetadata: config.nodeMetadata,
    adminAddr: `${env.AMBIT_LOOPBACK_ADDRESS ?? '127.0.0.1'}:${config.adminPort}`,
    statsAddr: `${env.AMBIT_LOOPBACK_ADDRESS ?? any}:${config.statsPort}`,
    readinessAddr: `${env.AMBIT_LOOPBACK_ADDRESS ?? any}:15021`,
    inboundAddr: `${any}:${PORTS.hbone}`,
    inboundPlaintextAddr: `${any}:${PORTS.plaintext}`,
    outboundAddr: `${any}:${PORTS.outbound}`,
    socks5Addr: env.UNSTABLE_ENABLE_SOCKS5 ? `127.0.0.1:${PORTS.socks5}` : null,
    dnsProxy: config.dns !== undefined,
    dnsProxyAddr: config.dns === undefined ? null : `${config.dns.address}:${config.dns.port}`,
    ...shownLimits(config),
    xdsAddress: addressText(config.xds),
    altXdsHostname: config.xds?.altHostname ?? null,
    xdsHeaders: Object.keys(config.xds?.headers ?? {}),
    xdsOnDemand: env.XDS_ON_DEMAND,
    caAddress: addressText(config.ca),
    altCaHostname: config.ca?.altHostname ?? null,
    caHeaders: Object.keys(config.ca?.headers ?? {}),
    fakeCa: env.FAKE_CA,
    crlPath: env.CRL_PATH ?? null,
    inpodUds: env.INPOD_UDS,
    inpodPortReuse: env.INPOD_PORT_REUSE,
    packetMark: config.packetMark ?? null,
    requireOriginalSource: { auto: null, always: true, never: false }[config.originalSource],
    localhostAppTunnel: env.LOCALHOST_APP_TUNNEL,
    enableResponseBaggage: env.ENABLE_RESPONSE_BAGGAGE,
    ipv6Enabled: env.IPV6_ENABLED,
    preferedServiceNamespace: env.PREFERED_SERVICE_NAMESPACE ?? null,
    missingPolicy: env.AMBIT_MISSING_POLICY,
  };
}

function shownLimits(config: NodeProxyConfig): Record<string, unknown> {
  const { env } = config;
  return {
    windowSize: env.HTTP2_STREAM_WINDOW_SIZE,
    connectionWindowSize: env.HTTP2_CONNECTION_WINDOW_SIZE,
    frameSize: env.HTTP2_FRAME_SIZE,
    poolMaxStreamsPerConn: env.POOL_MAX_STREAMS_PER_CONNECTION,
    poolUnusedReleaseTimeout: duration(env.POOL_UNUSED_RELEASE_TIMEOUT),
    selfTerminationDeadline: duration(config.drainDeadlineMs),
    secretTtl: duration(env.SECRET_TTL),
    numWorkerThreads: config.threads,
    socketConfig: {
      keepaliveEnabled: env.KEEPALIVE_ENABLED,
      keepaliveTime: duration(env.KEEPALIVE_TIME),
      keepaliveInterval: duration(env.KEEPALIVE_INTERVAL),
      keepaliveRetries: env.KEEPALIVE_RETRIES,
      userTimeoutEnabled: env.USER_TIMEOUT_ENABLED,
    },
  };
}

function addressText(address: ControlPlaneAddress | undefined): string | null {
  if (address === undefined) return null;
  return `${address.plaintext ? 'http' : 'https'}://${address.host}:${address.port}`;
}

function duration(ms: number): { secs: number; nanos: number } {
  const secs = Math.floor(ms / 1000);
  return { secs, nanos: Math.round((ms - secs * 1000) * 1_000_000) };
}
