// In: a pod's namespace, its settings. Out: kernel settings, routes and rules in the right order, or none. Step 5 of path 5.
// Called by capture/netns-capture.ts.
import { readSysctl, writeSysctl } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import type { LoadedRules, RulesLook } from './loaded-rules.ts';
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
 * Returns what the pod has then. Throws ERR_NODE_AGENT_RULES or ERR_NET_SYSTEM_CALL.
 */
export async function applyPodRules(
  rules: LoadedRules,
  netns: number,
  settings: PodRuleSettings,
  log: Logger,
): Promise<PrintedRules> {
  trySysctl(netns, looseSysctl, '0', log);
  preparePod(netns, log);
  const ipv6 = settings.ipv6 && hasIpv6(netns);
  // Before the rules: without the way back a captured connection would hang.
  changeReturnRoutes(netns, ipv6 ? ['v4', 'v6'] : ['v4'], 'add');
  const look = await rules.load(netns, { ...settings, ipv6 });
  return { ...look, way: printWay(netns) };
}

/** Takes the rules away again. Idempotent; what is already gone counts as done. */
export async function removePodRules(backend: RuleBackend, netns: number, log: Logger): Promise<void> {
  await backend.remove(netns);
  changeReturnRoutes(netns, hasIpv6(netns) ? ['v4', 'v6'] : ['v4'], 'del');
  trySysctl(netns, looseSysctl, '1', log);
  trySysctl(netns, migrateSysctl, '0', log);
}

/** What a pod has of the mesh. */
export interface PrintedRules extends RulesLook {
  /** Return routes and kernel settings. */
  readonly way: string;
}

/** True when nobody changed anything between the two. */
export const isSamePrint = (one: PrintedRules, other: PrintedRules): boolean =>
  one.rules === other.rules && one.way === other.way;

function printWay(netns: number): string {
  let loose: string;
  try {
    loose = readSysctl(netns, looseSysctl);
  } catch {
    loose = 'no conntrack';
  }
  return `${printReturnRoutes(netns, hasIpv6(netns) ? ['v4', 'v6'] : ['v4'])}\n${loose}`;
}

/** Everything of the mesh in a pod. `last`: what it was before. Throws ERR_NODE_AGENT_RULES or ERR_NET_SYSTEM_CALL. */
export async function printPodRules(rules: LoadedRules, netns: number, last: PrintedRules): Promise<PrintedRules> {
  return { ...(await rules.look(netns, last)), way: printWay(netns) };
}
