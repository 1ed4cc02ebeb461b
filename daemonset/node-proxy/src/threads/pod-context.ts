/**
 * What every path of one pod on one data thread shares. Types and small decisions only; made by `pod-traffic.ts`.
 */
import type { HboneLimited, HbonePool } from '@ambit/hbone';
import type { PeerIdentity } from '@ambit/identity';
import type { Drain } from '@ambit/runtime/drain';
import type { Logger } from '@ambit/runtime/log';
import type { Workload } from '@ambit/state';
import type { ConnectionRegistry } from '../connections/registry.ts';
import type { ThreadCertificates } from '../identity/thread-certificates.ts';
import type { ConnectionSink } from '../telemetry/connection-record.ts';
import type { OnDemandDns } from '../telemetry/on-demand-dns.ts';
import type { DnsMetrics } from '../dns/dns-metrics.ts';
import type { ReplyCache } from '../dns/reply-cache.ts';
import type { DataConfig, PodAssignment } from './messages.ts';
import type { ThreadState } from './thread-state.ts';
import type { OnDemand } from '../updates/on-demand.ts';
import type { PolicyFacts } from '../inbound/authorize.ts';

/** What all pods of a data thread share. */
export interface ThreadContext {
  readonly config: DataConfig;
  readonly state: ThreadState;
  readonly certificates: ThreadCertificates;
  readonly sink: ConnectionSink;
  readonly dnsMetrics: DnsMetrics;
  readonly log: Logger;
  /** The logger of scope `dns`. */
  readonly dnsLog: Logger;
  /** The logger of policy decisions. */
  readonly policyLog: Logger;
  /** Open accepted sockets by reporter; gauges of the main thread. */
  readonly openSockets: { source: number; destination: number };
  /** Counts of connections denied because a listed policy is missing. */
  readonly missingPolicy: { denied: number };
  /** Undefined when everything known is pushed. */
  readonly onDemand: OnDemand | undefined;
  /** Resolutions of workloads by host name. */
  readonly onDemandDns: OnDemandDns;
  /** Counts of handshakes and tunnels that a revocation list ended, by reporter. */
  readonly revoked: { source: number; destination: number };
  /** Counts of peers that met a limit of the tunnel server. */
  readonly limited: Record<HboneLimited, number>;
}

/** One pod on one data thread. */
export interface PodContext extends ThreadContext {
  readonly pod: PodAssignment;
  readonly registry: ConnectionRegistry<PolicyFacts>;
  readonly pool: HbonePool<PeerIdentity>;
  /** What upstream resolvers answered to this pod. */
  readonly dnsCache: ReplyCache;
  /** Aborted when the pod stops accepting; held by each connection. */
  readonly drain: Drain;
}

/** Ports no traffic may be sent to by the proxy itself: it would talk to itself (spec/node-proxy.md 3.1). */
export function illegalPorts(config: DataConfig): ReadonlySet<number> {
  return config.socks5 ? OWN_PORTS_WITH_SOCKS5 : OWN_PORTS;
}

const OWN_PORTS: ReadonlySet<number> = new Set([15001, 15006, 15008]);
const OWN_PORTS_WITH_SOCKS5: ReadonlySet<number> = new Set([...OWN_PORTS, 15080]);

/** The own workload of a pod, waited for when it is not known yet. */
export async function ownWorkload(context: PodContext): Promise<Workload> {
  return context.state.ownWorkload(context.pod.workload);
}

/** The same where it is known now, as it nearly always is: a promise costs a connection two turns of the queue. */
export function knownOwnWorkload(context: PodContext): Workload | undefined {
  return context.state.findOwn(context.pod.workload);
}

/** The same without an error: undefined when it is still unknown after the wait. */
export async function findOwnOrUndefined(context: PodContext): Promise<Workload | undefined> {
  try {
    return await ownWorkload(context);
  } catch {
    return undefined;
  }
}
