// In: addresses of enrolled pods. Out: node probes reach them uncaptured. Step 9 of path 5. Called by enrol/sequence.ts and app.ts.
// Source: spec node-agent 4.1 and 4.3; gaps G3 (a set entry's owner is replaced with it) and G4 (no flush at start) are closed here.
import type { Logger } from '@ambit/runtime/log';
import { NodeAgentError } from '../errors.ts';
import { runInside } from './run-inside.ts';

const tableName = 'istio-ambient-nat';
const sets = { v4: 'istio-inpod-probes-v4', v6: 'istio-inpod-probes-v6' } as const;

/** Settings of the host rules. */
export interface HostRuleSettings {
  /** Descriptor of the node's namespace; undefined = this process is in it. */
  readonly netns: number | undefined;
  readonly probeIp: string;
  readonly probeIpv6: string;
  /** User that sends probes; the kubelet's. */
  readonly probeUid: number;
}

const setOf = (ip: string): string => (ip.includes(':') ? sets.v6 : sets.v4);

/** The transaction that makes table, sets and rules; entries of the sets stay. Pure. */
export function buildHostRules(settings: Omit<HostRuleSettings, 'netns'>): string {
  const rule = (family: 'ip' | 'ip6', set: string, to: string): string =>
    `add rule inet ${tableName} postrouting meta l4proto tcp skuid ${settings.probeUid} ${family} daddr @${set} counter snat ${family} to ${to}\n`;
  return [
    `add table inet ${tableName}\n`,
    `add set inet ${tableName} ${sets.v4} { type ipv4_addr; }\n`,
    `add set inet ${tableName} ${sets.v6} { type ipv6_addr; }\n`,
    `add chain inet ${tableName} postrouting { type nat hook postrouting priority 100; policy accept; }\n`,
    `flush chain inet ${tableName} postrouting\n`,
    rule('ip', sets.v4, settings.probeIp),
    rule('ip6', sets.v6, settings.probeIpv6),
  ].join('');
}

/** Keeps the probe exemption of this node. One owner per address: the pod that got it last. */
export class HostRules {
  readonly #settings: HostRuleSettings;
  readonly #log: Logger;
  readonly #owners = new Map<string, string>();

  constructor(settings: HostRuleSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Makes table, sets and rules. Throws ERR_NODE_AGENT_RULES. */
  async install(): Promise<void> {
    await this.#nft(buildHostRules(this.#settings));
  }

  /** Exempts the probes to these addresses, which now belong to this pod. */
  async add(uid: string, ips: readonly string[]): Promise<void> {
    await this.#nft(ips.map((ip) => `add element inet ${tableName} ${setOf(ip)} { ${ip} }\n`).join(''));
    for (const ip of ips) this.#owners.set(ip, uid);
  }

  /** Ends the exemption of the addresses that still belong to this pod; others have a new owner and stay. */
  async remove(uid: string, ips: readonly string[]): Promise<void> {
    const own = ips.filter((ip) => this.#owners.get(ip) === uid);
    if (own.length === 0) return;
    // Adding first makes the deletion infallible.
    await this.#nft(
      own
        .map(
          (ip) =>
            `add element inet ${tableName} ${setOf(ip)} { ${ip} }\ndelete element inet ${tableName} ${setOf(ip)} { ${ip} }\n`,
        )
        .join(''),
    );
    for (const ip of own) this.#owners.delete(ip);
  }

  /** Removes everything this class made. */
  async uninstall(): Promise<void> {
    await this.#nft(`add table inet ${tableName}\ndelete table inet ${tableName}\n`);
    this.#log.info('host rules removed');
  }

  async #nft(text: string): Promise<void> {
    if (text === '') return;
    const { status, stderr } = await runInside(this.#settings.netns, 'nft', ['-f', '-'], text);
    if (status !== 0)
      throw new NodeAgentError('ERR_NODE_AGENT_RULES', `host rules were refused: nft ended with status ${status}`, {
        cause: new Error(stderr.trim()),
      });
  }
}
