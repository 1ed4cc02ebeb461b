/**
 * The closed union of messages between the main thread and a data thread. Types only.
 *
 * Everything here is structured-clone-able plain data. Descriptors travel as numbers: they belong to the process, and
 * the message says who closes them.
 */
import type { ByteEngineName, HboneLimited } from '@ambit/hbone';
import type { WorkloadCertificate } from '@ambit/identity/workload-certificate';
import type { Keepalive, SocketDomain } from '@ambit/net';
import type { StateDiff } from '@ambit/state';
import type { FlowBatch } from '@ambit/xds/flow-buffer';
import type { WorkloadInfo } from '../inpod/zds-protocol.ts';
import type { TrafficDelta } from '../telemetry/traffic-metrics.ts';
import type { ProfileRequest, ThreadProfile } from './profiler.ts';
import type { LoopSample } from '../telemetry/event-loop.ts';
import type { OnDemandDnsDelta } from '../telemetry/on-demand-dns.ts';
import type { DnsDelta } from '../dns/dns-metrics.ts';

/** Listening descriptors of one pod for one thread. The thread owns them from receipt and closes them. */
export interface PodListeners {
  /** 15001, redirected outbound connections. */
  readonly outbound?: number;
  /** 15006, redirected plaintext inbound connections. */
  readonly plaintext?: number;
  /** 15008, HBONE. */
  readonly hbone?: number;
  /** 15080, SOCKS5. */
  readonly socks5?: number;
  /** 15053 TCP, one per address. */
  readonly dnsTcp: readonly number[];
  /** 15053 UDP, one per address. */
  readonly dnsUdp: readonly { readonly fd: number; readonly family: 4 | 6 }[];
}

/** One pod as a data thread serves it. */
export interface PodAssignment {
  /** Unique per start: a pod that is replaced gets a new one, so that late messages hit nothing. */
  readonly uid: string;
  readonly workload: WorkloadInfo;
  /** Where its upstream sockets are created. A netns descriptor stays open until the thread answered `pod-removed`. */
  readonly domain: SocketDomain;
  readonly listeners: PodListeners;
  /** Source addresses are kept towards the application. */
  readonly preserveSource: boolean;
}

/** The part of the configuration a data thread needs. */
export interface DataConfig {
  readonly threadName: string;
  readonly network: string;
  readonly clusterDomain: string;
  readonly nodeName: string | undefined;
  readonly packetMark: number | undefined;
  readonly keepalive: Keepalive | undefined;
  readonly socks5: boolean;
  readonly localhostAppTunnel: boolean;
  readonly responseBaggage: boolean;
  readonly policyInfoLogging: boolean;
  readonly missingPolicy: 'deny' | 'upstream';
  readonly ipv6: boolean;
  readonly poolMaxStreams: number;
  readonly poolIdleMs: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly frameBytes: number;
  /** The engine that the main thread chose; the thread tests it once more for itself. */
  readonly byteEngine: ByteEngineName;
  /** Unknown addresses are asked of the control plane. */
  readonly onDemand: boolean;
  readonly tls: { readonly allowTls12: boolean; readonly onlyPostQuantum: boolean };
  readonly log: { readonly level: string; readonly format: 'plain' | 'json' };
  readonly dns: {
    readonly nameservers: readonly string[];
    readonly searchDomains: readonly string[] | undefined;
    /** The proxy's own hosts file: addresses by name. */
    readonly hosts: ReadonlyMap<string, readonly string[]>;
    readonly preferredNamespace: string | undefined;
  };
  /** The proxy's own pod address in the loopback domain. */
  readonly ownAddress: string | undefined;
  /** Address of the loopback node's service relay, `<ip>:<port>`; only in the loopback domain. */
  readonly relay: { readonly ip: string; readonly port: number } | undefined;
}

/** Main thread to data thread. */
export type ToDataThread =
  /** One batch of state; the first has `replace: true`. */
  | { readonly kind: 'state'; readonly diff: StateDiff }
  /** The same for a large batch, written once for all threads (`shared-diff.ts`). */
  | { readonly kind: 'shared-state'; readonly diff: SharedArrayBuffer }
  /** A certificate that some thread asked for, or its renewal. */
  | { readonly kind: 'certificate'; readonly identity: string; readonly certificate: WorkloadCertificate }
  | { readonly kind: 'certificate-failed'; readonly identity: string; readonly message: string }
  /** The revocation lists of now (PEM or DER, readable); judged by new handshakes and at once by open tunnels. */
  | { readonly kind: 'revocations'; readonly content: Uint8Array }
  /** The identity has no local workload any more. */
  | { readonly kind: 'certificate-forget'; readonly identity: string }
  | { readonly kind: 'pod-add'; readonly id: number; readonly pod: PodAssignment }
  /** Graceful: stop accepting, live connections until the deadline. Immediate: everything now. */
  | { readonly kind: 'pod-remove'; readonly uid: string }
  /** Starts the drain of all pods; answered with `drained`. */
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  | { readonly kind: 'log-level'; readonly scope: string | undefined; readonly level: string }
  /** Flows a second that are wanted from this thread; 0 = none. */
  | { readonly kind: 'flow-limit'; readonly maxPerSecond: number }
  | { readonly kind: 'dump'; readonly id: number }
  | { readonly kind: 'profile'; readonly id: number; readonly request: ProfileRequest }
  /** The answers to a demand were published before this. */
  | { readonly kind: 'demanded'; readonly id: number }
  | { readonly kind: 'ping'; readonly id: number };

/** One open connection in the admin dump (spec/node-proxy.md 9.6). */
export interface DumpedConnection {
  readonly direction: 'inbound' | 'outbound';
  readonly src: string;
  readonly originalDst: string | null;
  readonly actualDst: string;
  readonly protocol: 'TCP' | 'HBONE' | 'DOUBLEHBONE';
}

/** Data thread to main thread. */
export type FromDataThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'pod-added'; readonly id: number }
  | { readonly kind: 'pod-failed'; readonly id: number; readonly message: string }
  /** The thread holds nothing of the pod any more; its netns descriptor may be closed. */
  | { readonly kind: 'pod-removed'; readonly uid: string }
  /** A connection waits for this identity. */
  | { readonly kind: 'need-certificate'; readonly identity: string }
  | {
      readonly kind: 'metrics';
      readonly traffic: readonly TrafficDelta[];
      readonly dns: readonly DnsDelta[];
      readonly openSockets: { readonly source: number; readonly destination: number };
      readonly deniedByMissingPolicy: number;
      readonly onDemandDns: readonly OnDemandDnsDelta[];
      /** Handshakes and tunnels that a revocation list ended. */
      readonly revoked: { readonly source: number; readonly destination: number };
      /** Peers that met a limit of the tunnel server. */
      readonly limited: Readonly<Record<HboneLimited, number>>;
      readonly loop: LoopSample;
    }
  /** What ended since the last such message, while somebody watches. */
  | { readonly kind: 'flows'; readonly batch: FlowBatch }
  /** Resource names that a connection waits for (`XDS_ON_DEMAND`). */
  | { readonly kind: 'demand'; readonly id: number; readonly names: readonly string[] }
  | { readonly kind: 'drained'; readonly outcome: 'drained' | 'deadline'; readonly cut: number }
  | { readonly kind: 'dump'; readonly id: number; readonly pods: Readonly<Record<string, readonly DumpedConnection[]>> }
  /** A profile, or why there is none. */
  | { readonly kind: 'profiled'; readonly id: number; readonly profile: ThreadProfile | string }
  | { readonly kind: 'pong'; readonly id: number };
