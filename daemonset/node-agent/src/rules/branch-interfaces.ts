// In: addresses of enrolled pods. Out: probes of those with a branch interface (Security Groups for Pods of AWS) come and go through the
// node's own stack. Called by host.ts after its own rules. Source: spec node-agent 4.4. Nothing of it ever fails an enrolment.
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { runInside } from './run-inside.ts';

/** Before the rules of the vendor, whose own are at 10 and more; behind the rule of local addresses. */
const probePriority = 512;

/** A rule of the vendor: what comes in on the pod's interface is looked up in its own table. */
export interface InterfaceRule {
  readonly iif: string;
  readonly table: string;
  readonly priority: number;
}

/** A pod's address that is reached through an interface of its own. */
export interface BranchPod extends InterfaceRule {
  readonly ip: string;
}

/** What the class does to the node. Injected, so that a test needs no node. */
export interface PolicyRouting {
  /** What `ip -j` prints for these arguments. */
  readonly print: (family: 4 | 6, args: readonly string[]) => Promise<unknown>;
  /** Adds or deletes one rule. `false`: it was, or was not, there already. Rejects with why it could not be done. */
  readonly change: (family: 4 | 6, action: 'add' | 'del', rule: readonly string[]) => Promise<boolean>;
}

const ownTables: ReadonlySet<string> = new Set(['local', 'main', '254', '255']);

/** The rules that name an interface and a table of their own, from what `ip -j rule show` prints. Pure; skips what it cannot read. */
export function interfaceRulesOf(printed: unknown): readonly InterfaceRule[] {
  if (!Array.isArray(printed)) return [];
  return printed.flatMap(({ iif, table, priority }: Record<string, unknown>) =>
    typeof iif === 'string' && typeof table === 'string' && typeof priority === 'number' && !ownTables.has(table)
      ? [{ iif, table, priority }]
      : [],
  );
}

/** Addresses with a route of their own to the rule's interface, from what `ip -j route show table T` prints. Pure. */
export function addressesOn(printed: unknown, { iif }: InterfaceRule): ReadonlySet<string> {
  if (!Array.isArray(printed)) return new Set();
  return new Set(
    printed.flatMap(({ dst, dev }: Record<string, unknown>) =>
      typeof dst === 'string' && dev === iif && isIP(dst) !== 0 ? [dst] : [],
    ),
  );
}

const toPod = ({ ip, table }: BranchPod): readonly string[] => ['to', ip, 'lookup', table, 'pref', `${probePriority}`];
const fromPod = ({ iif, priority }: BranchPod): readonly string[] => [
  'iif',
  iif,
  'lookup',
  'local',
  'pref',
  `${Math.max(0, priority - 1)}`,
];

/** Keeps the rules of the pods with branch interfaces. One call at a time. */
export class BranchInterfaces {
  readonly #routing: PolicyRouting;
  readonly #families: readonly (4 | 6)[];
  readonly #log: Logger;
  /** What was added, by address: the vendor's rules may be gone when the pod leaves. */
  readonly #pods = new Map<string, BranchPod>();

  constructor(routing: PolicyRouting, ipv6: boolean, log: Logger) {
    this.#routing = routing;
    this.#families = ipv6 ? [4, 6] : [4];
    this.#log = log;
  }

  /** Makes the rules those of exactly these addresses. Never rejects. */
  async follow(ips: ReadonlySet<string>): Promise<void> {
    for (const pod of this.#pods.values()) if (!ips.has(pod.ip)) await this.#remove(pod);
    for (const family of this.#families) {
      const missing = [...ips].filter((ip) => isIP(ip) === family && !this.#pods.has(ip));
      if (missing.length === 0) continue;
      try {
        for (const pod of await this.#find(family, missing)) await this.#add(family, pod);
      } catch (error) {
        this.#log.warn('branch interfaces were not looked for', { error: messageOf(error) });
      }
    }
  }

  async #find(family: 4 | 6, ips: readonly string[]): Promise<readonly BranchPod[]> {
    const found: BranchPod[] = [];
    for (const rule of interfaceRulesOf(await this.#routing.print(family, ['rule', 'show']))) {
      const there = addressesOn(await this.#routing.print(family, ['route', 'show', 'table', rule.table]), rule);
      for (const ip of ips) if (there.has(ip)) found.push({ ...rule, ip });
    }
    return found;
  }

  async #add(family: 4 | 6, pod: BranchPod): Promise<void> {
    let isNew = false;
    try {
      isNew = await this.#routing.change(family, 'add', toPod(pod));
      await this.#routing.change(family, 'add', fromPod(pod));
      this.#pods.set(pod.ip, pod);
      this.#log.info('probes go through the branch interface', { ip: pod.ip, interface: pod.iif, table: pod.table });
    } catch (error) {
      this.#log.warn('probes of a pod with a branch interface may fail', { ip: pod.ip, error: messageOf(error) });
      if (isNew) await this.#undo(family, toPod(pod));
    }
  }

  async #remove(pod: BranchPod): Promise<void> {
    const family = isIP(pod.ip) === 6 ? 6 : 4;
    this.#pods.delete(pod.ip);
    await this.#undo(family, toPod(pod));
    const isShared = [...this.#pods.values()].some(
      ({ ip, iif, priority }) => isIP(ip) === family && iif === pod.iif && priority === pod.priority,
    );
    if (!isShared) await this.#undo(family, fromPod(pod));
  }

  async #undo(family: 4 | 6, rule: readonly string[]): Promise<void> {
    await this.#routing.change(family, 'del', rule).catch((error: unknown) => {
      this.#log.warn('a rule of a branch interface was not removed', { rule: rule.join(' '), error: messageOf(error) });
    });
  }
}

const alreadySo = { add: ['File exists'], del: ['No such file', 'No such process'] } as const;

/** The real thing, by `ip` in the node's namespace. */
export function policyRouting(netns: number | undefined): PolicyRouting {
  const run = async (family: 4 | 6, args: readonly string[]) => runInside(netns, 'ip', [`-${family}`, ...args]);
  return {
    print: async (family, args) => {
      const { status, stdout, stderr } = await run(family, ['-j', ...args]);
      // A table without routes does not exist yet.
      if (status !== 0) throw new Error(stderr.trim());
      return JSON.parse(stdout === '' ? '[]' : stdout) as unknown;
    },
    change: async (family, action, rule) => {
      const { status, stderr } = await run(family, ['rule', action, ...rule]);
      if (status === 0) return true;
      if (alreadySo[action].some((text) => stderr.includes(text))) return false;
      throw new Error(stderr.trim());
    },
  };
}

/** True where the kernel does not route early by socket, as nodes with branch interfaces are set up. Unreadable: false. */
export function mayHaveBranchInterfaces(hostProc: string): boolean {
  try {
    return readFileSync(`${hostProc}/sys/net/ipv4/tcp_early_demux`, 'latin1').startsWith('0');
  } catch {
    return false;
  }
}
