// One way of exempting probes in the node's namespace. Implemented by host-nftables.ts and host-iptables.ts, used by host.ts.
import { addressFamily } from './address-text.ts';

/** Names of the sets of probed addresses, as upstream calls them. */
export const probeSets = { v4: 'istio-inpod-probes-v4', v6: 'istio-inpod-probes-v6' } as const;

/** Settings of the host rules. */
export interface HostRuleSettings {
  /** Descriptor of the node's namespace; undefined = this process is in it. */
  readonly netns: number | undefined;
  readonly ipv6: boolean;
  readonly probeIp: string;
  readonly probeIpv6: string;
  /** User that sends probes; the kubelet's. */
  readonly probeUid: number;
  /** With iptables too only this user is exempt, instead of every process of the node. nftables can do nothing else. */
  readonly isOnlyProbeUid: boolean;
}

/** The host rules by one tool. All of it throws ERR_NODE_AGENT_RULES. */
export interface HostBackend {
  readonly name: string;
  /** Makes rules and addresses exactly these (address -> pod UID), at once: nobody sees a state without them. */
  readonly write: (owners: ReadonlyMap<string, string>) => Promise<void>;
  /** Removes everything that `write` made. */
  readonly clear: () => Promise<void>;
  /** What the kernel has of it, without counters. */
  readonly print: () => Promise<string>;
}

/** Addresses of a family that is switched on, with their owners. They become words of a rule: what is no address, or has a zone, is left out. */
export function ownersIn(
  family: 'v4' | 'v6',
  owners: ReadonlyMap<string, string>,
  ipv6: boolean,
): readonly (readonly [string, string])[] {
  if (family === 'v6' && !ipv6) return [];
  return [...owners].filter(([ip]) => addressFamily(ip) === (family === 'v6' ? 6 : 4));
}
