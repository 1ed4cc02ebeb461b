/** The process configuration in; the part that a data thread needs, as plain data, out. Pure; called by `app.ts`. */
import type { ByteEngineName } from '@ambit/hbone';
import type { NodeProxyConfig } from './config.ts';
import type { DataConfig } from './threads/messages.ts';

/** What TLS of this process is restricted to (spec/node-proxy.md 2.2). */
export function tlsRules({ env }: NodeProxyConfig): DataConfig['tls'] {
  return { allowTls12: env.TLS12_ENABLED, onlyPostQuantum: env.COMPLIANCE_POLICY === 'pqc' };
}

/** Configuration of one data thread. */
export function dataConfigOf(config: NodeProxyConfig, thread: number, byteEngine: ByteEngineName): DataConfig {
  const { env } = config;
  const { KEEPALIVE_TIME: idleMs, KEEPALIVE_INTERVAL: intervalMs, KEEPALIVE_RETRIES: probes } = env;
  const userTimeout = env.USER_TIMEOUT_ENABLED ? { userTimeoutMs: idleMs + probes * intervalMs } : {};
  return {
    threadName: `ztunnel-${thread}`,
    network: env.NETWORK,
    clusterDomain: env.CLUSTER_DOMAIN,
    nodeName: env.NODE_NAME,
    packetMark: config.packetMark,
    keepalive: env.KEEPALIVE_ENABLED ? { idleMs, intervalMs, probes, ...userTimeout } : undefined,
    socks5: env.UNSTABLE_ENABLE_SOCKS5 || env.AMBIT_ZDS_TRANSPORT === 'stream',
    localhostAppTunnel: env.LOCALHOST_APP_TUNNEL,
    responseBaggage: env.ENABLE_RESPONSE_BAGGAGE,
    policyInfoLogging: env.AUTHZ_POLICY_INFO_LOGGING,
    missingPolicy: env.AMBIT_MISSING_POLICY,
    ipv6: env.IPV6_ENABLED,
    poolMaxStreams: env.POOL_MAX_STREAMS_PER_CONNECTION,
    poolIdleMs: env.POOL_UNUSED_RELEASE_TIMEOUT,
    streamWindowBytes: env.HTTP2_STREAM_WINDOW_SIZE,
    connectionWindowBytes: env.HTTP2_CONNECTION_WINDOW_SIZE,
    frameBytes: env.HTTP2_FRAME_SIZE,
    byteEngine,
    onDemand: env.XDS_ON_DEMAND && config.xds !== undefined,
    tls: tlsRules(config),
    log: { level: env.RUST_LOG, format: env.LOG_FORMAT },
    dns: {
      nameservers: config.nameservers,
      searchDomains: config.mode === 'dedicated' ? config.searchDomains : undefined,
      hosts: config.hosts,
      preferredNamespace: env.PREFERED_SERVICE_NAMESPACE,
    },
    ownAddress: env.AMBIT_LOOPBACK_POD_IP,
    relay: config.relay,
  };
}
