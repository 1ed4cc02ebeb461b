// In: a pod's namespace, its settings. Out: kernel settings, routes and rules in the right order, or none. Step 5 of path 5.
// Called by capture/netns-capture.ts.
import { readSysctl, writeSysctl } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import type { PodRuleSettings } from './plan.ts';
import { changeReturnRoutes, printReturnRoutes } from './return-route.ts';
import type { RuleBackend } from './rule-backend.ts';

const looseSysctl = 'netfilter/nf_conntrack_tcp_loose';
const migrateSysctl = 'ipv4/tcp_migrate_req';
/** Best effort: a kernel without the setting keeps its old behaviour, which is said at debug level. */
function trySysctl(netns: number, name: string, value: string, log: Logger): void {
  try {
    if (readSysctl(netns, name) !== value) writeSysctl(netns, name, value);
  } catch (error) {
    log.debug('kernel setting not changed', {
      name,
      value,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Reads whether the pod has IPv6 at all. */
function hasIpv6(netns: number): boolean {
  try {
    return readSysctl(netns, 'ipv6/conf/lo/disable_ipv6') !== '1';
  } catch {
    return false;
  }
}

/** Sets what must be so before a proxy listens in the pod: a proxy that stops must hand queued connections to its successor (gap G2). */
export function preparePod(netns: number, log: Logger): void {
  trySysctl(netns, migrateSysctl, '1', log);
}

/**
 * Gives a pod its rules. Idempotent. Two kernel settings go first: connections that are open now must not be picked up by the
 * new redirection half way (gap G1), and a proxy that stops listening must hand queued connections to its successor (gap G2).
 * Throws ERR_NODE_AGENT_RULES.
 */
export async function applyPodRules(
  backend: RuleBackend,
  netns: number,
  settings: PodRuleSettings,
  log: Logger,
): Promise<void> {
  trySysctl(netns, looseSysctl, '0', log);
  preparePod(netns, log);
  const ipv6 = settings.ipv6 && hasIpv6(netns);
  // Before the rules: without the way back a captured connection would hang.
  changeReturnRoutes(netns, ipv6 ? ['v4', 'v6'] : ['v4'], 'add');
  await backend.load(netns, { ...settings, ipv6 });
}

/** Takes the rules away again. Idempotent; what is already gone counts as done. */
export async function removePodRules(backend: RuleBackend, netns: number, log: Logger): Promise<void> {
  await backend.remove(netns);
  changeReturnRoutes(netns, hasIpv6(netns) ? ['v4', 'v6'] : ['v4'], 'del');
  trySysctl(netns, looseSysctl, '1', log);
  trySysctl(netns, migrateSysctl, '0', log);
}

/** What a pod has of the mesh. */
export interface PrintedRules {
  /** Everything as one text: rules, return routes, kernel settings. Equal texts mean that nothing was changed by others. */
  readonly text: string;
  /** The rules alone. */
  readonly rules: string;
  /** Counts up with every change of rules in the namespace; undefined where the kernel does not count. */
  readonly generation: number | undefined;
}

/**
 * The rules of a pod. Where the kernel says that no rule was changed since `last`, they are taken from there and no program is started. Throws
 * ERR_NODE_AGENT_RULES.
 */
export async function rulesSince(
  backend: Pick<RuleBackend, 'generation' | 'print'>,
  netns: number,
  last?: Omit<PrintedRules, 'text'>,
): Promise<Omit<PrintedRules, 'text'>> {
  // Before the rules are read: a change in between is seen the next time.
  const generation = backend.generation(netns);
  const isSame = generation !== undefined && generation === last?.generation;
  return { generation, rules: isSame ? last.rules : await backend.print(netns) };
}

/** Everything of the mesh in a pod. `last`: what it was before. Throws ERR_NODE_AGENT_RULES or ERR_NET_SYSTEM_CALL. */
export async function printPodRules(backend: RuleBackend, netns: number, last?: PrintedRules): Promise<PrintedRules> {
  const found = await rulesSince(backend, netns, last);
  let loose: string;
  try {
    loose = readSysctl(netns, looseSysctl);
  } catch {
    loose = 'no conntrack';
  }
  const routes = printReturnRoutes(netns, hasIpv6(netns) ? ['v4', 'v6'] : ['v4']);
  return { ...found, text: [found.rules, routes, loose].join('\n') };
}
