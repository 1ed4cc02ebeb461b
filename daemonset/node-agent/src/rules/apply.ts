// In: rule text of plan.ts. Out: those rules in a pod's network namespace, or none. Step 5 of path 5. Called by enrol/sequence.ts.
import { readSysctl, writeSysctl } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import { NodeAgentError } from '../errors.ts';
import { buildPodRemoval, buildPodRules, type PodRuleSettings, routesOf } from './plan.ts';
import { runInside } from './run-inside.ts';

const looseSysctl = 'netfilter/nf_conntrack_tcp_loose';
const migrateSysctl = 'ipv4/tcp_migrate_req';

async function loadRules(netns: number, text: string): Promise<void> {
  const result = await runInside(netns, 'nft', ['-f', '-'], text);
  if (result.status === 0) return;
  throw new NodeAgentError('ERR_NODE_AGENT_RULES', `nft ended with status ${result.status}`, {
    cause: new Error(result.stderr.trim()),
    hint: 'the kernel must offer nftables with nat and conntrack',
  });
}

/** Runs `ip` for one family; what already is, or already is not, counts as done. */
async function changeRoutes(netns: number, family: 'v4' | 'v6', action: 'add' | 'del'): Promise<void> {
  const result = await runInside(
    netns,
    'ip',
    [family === 'v4' ? '-4' : '-6', '-force', '-batch', '-'],
    routesOf(family, action),
  );
  const problems = result.stderr.split('\n').filter((line) => line.startsWith('RTNETLINK') || line.startsWith('Error'));
  const real = problems.filter(
    (line) =>
      !['File exists', 'No such file', 'No such process', 'FIB table does not exist'].some((text) =>
        line.includes(text),
      ),
  );
  if (real.length > 0)
    throw new NodeAgentError('ERR_NODE_AGENT_RULES', `ip could not ${action} the return route (${family})`, {
      cause: new Error(real.join('; ')),
    });
}

/** Best effort: a kernel without the setting keeps its old behaviour, which is said once at debug level. */
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

/**
 * Gives a pod its rules. Idempotent. Two kernel settings go first: connections that are open now must not be picked up by the
 * new redirection half way (gap G1), and a proxy that stops listening must hand queued connections to its successor (gap G2).
 * Throws ERR_NODE_AGENT_RULES.
 */
export async function applyPodRules(netns: number, settings: PodRuleSettings, log: Logger): Promise<void> {
  trySysctl(netns, looseSysctl, '0', log);
  trySysctl(netns, migrateSysctl, '1', log);
  const ipv6 = settings.ipv6 && hasIpv6(netns);
  await changeRoutes(netns, 'v4', 'add');
  if (ipv6) await changeRoutes(netns, 'v6', 'add');
  await loadRules(netns, buildPodRules({ ...settings, ipv6 }));
}

/** Takes the rules away again. Idempotent; what is already gone counts as done. */
export async function removePodRules(netns: number, log: Logger): Promise<void> {
  await loadRules(netns, buildPodRemoval());
  await changeRoutes(netns, 'v4', 'del');
  if (hasIpv6(netns)) await changeRoutes(netns, 'v6', 'del');
  trySysctl(netns, looseSysctl, '1', log);
}
