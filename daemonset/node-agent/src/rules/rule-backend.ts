// One way of putting the mesh's rules into a pod. Implemented by nftables.ts and iptables.ts, chosen once per agent by choose-backend.ts,
// called by apply.ts.
import type { PodRuleSettings } from './plan.ts';

/** The rules of pods by one tool. All of it is idempotent and throws ERR_NODE_AGENT_RULES. */
export interface RuleBackend {
  readonly name: 'nftables' | 'iptables';
  /**
   * Gives a pod exactly these rules, whatever it had of the mesh before. `netns` stays the caller's. Returns the number of transactions, by
   * which {@link generation} has gone up if nobody else changed anything meanwhile.
   */
  readonly load: (netns: number, settings: PodRuleSettings) => Promise<number>;
  /** Takes the mesh's rules away; others stay. */
  readonly remove: (netns: number) => Promise<void>;
  /** A number that changes whenever somebody changes rules in the namespace; undefined where there is none, and {@link print} must be asked. */
  readonly generation: (netns: number) => number | undefined;
  /** The mesh's rules as the kernel has them, without counters: equal texts mean equal rules. Empty without rules. */
  readonly print: (netns: number) => Promise<string>;
}
