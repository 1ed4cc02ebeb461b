// In: probed addresses. Out: the chain ISTIO_POSTRT, with ipset where it is installed, else with one rule per address.
// Called by host.ts. Source: spec node-agent 4.2; gap G4: sets are swapped, never flushed.
import { NodeAgentError } from '../errors.ts';
import { type HostBackend, type HostRuleSettings, ownersIn, probeSets } from './host-backend.ts';
import { replaceRules, saveRules, type IptablesPair } from './iptables.ts';
import { type IpFamily, ownRulesOf, parseSaved, type TablePlan } from './iptables-plan.ts';
import { runInside } from './run-inside.ts';

/** Chain of the node's rules. */
export const hostChain = 'ISTIO_POSTRT';

/** The nat table of the node in one family. `withSets`: match the family's set instead of single addresses. Pure. */
export function planHostTable(
  family: IpFamily,
  settings: Omit<HostRuleSettings, 'netns'>,
  owners: ReadonlyMap<string, string>,
  withSets: boolean,
): TablePlan {
  const to = family === 'v4' ? settings.probeIp : settings.probeIpv6;
  const user = settings.isOnlyProbeUid ? `--uid-owner ${settings.probeUid} ` : '';
  const rule = (match: string): string => `${hostChain} ${match}-p tcp -m owner ${user}--socket-exists`;
  const rules = withSets
    ? [`${rule('')} -m set --match-set ${probeSets[family]} dst -j SNAT --to-source ${to}`]
    : ownersIn(family, owners, settings.ipv6).map(
        ([ip, uid]) =>
          `${rule(`-d ${ip}/${family === 'v4' ? 32 : 128} `)} -m comment --comment "${uid}" -j SNAT --to-source ${to}`,
      );
  // First, because the rules of other network plugins would win otherwise.
  return { table: 'nat', chains: [hostChain], jumps: [{ from: 'POSTROUTING', to: hostChain, first: true }], rules };
}

/** The input of `ipset restore` that makes the sets exactly these addresses by swapping in new ones. Pure. */
export function buildSets(ipv6: boolean, owners: ReadonlyMap<string, string>): string {
  return (ipv6 ? (['v4', 'v6'] as const) : (['v4'] as const))
    .flatMap((family) => {
      const set = probeSets[family];
      const options = `hash:ip family ${family === 'v4' ? 'inet' : 'inet6'} comment`;
      return [
        `create ${set} ${options} -exist`,
        `create ${set}-new ${options} -exist`,
        `flush ${set}-new`,
        ...ownersIn(family, owners, ipv6).map(([ip, uid]) => `add ${set}-new ${ip} comment "${uid}" -exist`),
        `swap ${set}-new ${set}`,
        `destroy ${set}-new`,
      ];
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** True when the ipset tool is there and the kernel has sets. */
export async function hasIpset(netns: number | undefined): Promise<boolean> {
  try {
    return (await runInside(netns, 'ipset', ['list', '-n'])).status === 0;
  } catch (error) {
    if (error instanceof NodeAgentError) return false;
    throw error;
  }
}

async function ipset(netns: number | undefined, args: readonly string[], input: string): Promise<void> {
  const { status, stderr } = await runInside(netns, 'ipset', args, input);
  if (status !== 0)
    throw new NodeAgentError('ERR_NODE_AGENT_RULES', `ipset ended with status ${status}`, {
      cause: new Error(stderr.trim()),
    });
}

/** The mesh's sets with their addresses, without what the kernel makes up anew for every set (its hash seed). Pure. */
export function membersOf(saved: string): string {
  return saved
    .split('\n')
    .filter((line) => line.includes(` ${probeSets.v4} `) || line.includes(` ${probeSets.v6} `))
    .map((line) => (line.startsWith('create ') ? line.split(' ').slice(0, 2).join(' ') : line))
    .toSorted()
    .join('\n');
}

/** The mesh's rules, and what comes first in POSTROUTING, where the jump must be. */
function printOf(saved: string): string {
  const first = parseSaved(saved)
    .get('nat')
    ?.rules.find((rule) => rule.startsWith('POSTROUTING '));
  return `${ownRulesOf(saved)}\nfirst: ${first ?? 'nothing'}`;
}

/** Host rules by iptables. */
export function hostIptables(settings: HostRuleSettings, pair: IptablesPair, withSets: boolean): HostBackend {
  const { netns, ipv6 } = settings;
  const families = [['v4', pair.v4] as const, ...(ipv6 && pair.v6 !== undefined ? [['v6', pair.v6] as const] : [])];
  return {
    name: withSets ? 'iptables with ipset' : 'iptables',
    write: async (owners) => {
      if (withSets) await ipset(netns, ['restore'], buildSets(ipv6, owners));
      for (const [family, tools] of families)
        await replaceRules(netns, tools, [planHostTable(family, settings, owners, withSets)]);
    },
    clear: async () => {
      for (const [, tools] of families) await replaceRules(netns, tools, []);
      if (!withSets) return;
      for (const [family] of families) await ipset(netns, ['destroy', probeSets[family]], '').catch(() => undefined);
    },
    print: async () => {
      const texts: string[] = [];
      for (const [, tools] of families) texts.push(printOf(await saveRules(netns, tools)));
      if (withSets) {
        const { stdout } = await runInside(netns, 'ipset', ['save']);
        texts.push(membersOf(stdout));
      }
      return texts.join('\n');
    },
  };
}
