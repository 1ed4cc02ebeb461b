// In: plans of iptables-plan.ts. Out: those chains in a pod, one restore per family. Called by apply.ts. Source: spec node-agent 3.3, 3.7, 3.8.
import { NodeAgentError } from '../errors.ts';
import type { IptablesTools } from './iptables-binary.ts';
import { buildRestore, type IpFamily, ownRulesOf, parseSaved, planPodTables, type TablePlan } from './iptables-plan.ts';
import { rulesGeneration } from './nftables.ts';
import type { RuleBackend } from './rule-backend.ts';
import { runInside } from './run-inside.ts';

/** The tools of both families; v6 may be missing where IPv6 is off. */
export interface IptablesPair {
  readonly v4: IptablesTools;
  readonly v6: IptablesTools | undefined;
}

/** What iptables-save prints in a namespace. Throws ERR_NODE_AGENT_RULES. */
export async function saveRules(netns: number | undefined, tools: IptablesTools): Promise<string> {
  const { status, stdout, stderr } = await runInside(netns, `${tools.program}-save`, [], '', tools.variables);
  if (status === 0) return stdout;
  throw new NodeAgentError('ERR_NODE_AGENT_RULES', `${tools.program}-save ended with status ${status}`, {
    cause: new Error(stderr.trim()),
  });
}

/** Makes the mesh's chains of one family what the plans say. Returns the number of tables that were written. Throws ERR_NODE_AGENT_RULES. */
export async function replaceRules(
  netns: number | undefined,
  tools: IptablesTools,
  plans: readonly TablePlan[],
): Promise<number> {
  const text = buildRestore(plans, parseSaved(await saveRules(netns, tools)));
  if (text === '') return 0;
  const { status, stderr } = await runInside(
    netns,
    `${tools.program}-restore`,
    ['--noflush', ...tools.waitOptions],
    text,
    tools.variables,
  );
  if (status === 0) return text.split('\n').filter((line) => line === 'COMMIT').length;
  throw new NodeAgentError('ERR_NODE_AGENT_RULES', `${tools.program}-restore ended with status ${status}`, {
    cause: new Error(stderr.trim()),
    hint: 'the kernel must offer the nat, mangle and raw tables with the matches mark, connmark and owner',
  });
}

/** Rules by iptables. */
export function iptablesBackend(pair: IptablesPair): RuleBackend {
  const families: readonly (readonly [IpFamily, IptablesTools])[] = [
    ['v4', pair.v4],
    ...(pair.v6 === undefined ? [] : [['v6', pair.v6] as const]),
  ];
  return {
    name: 'iptables',
    load: async (netns, settings) => {
      if (settings.ipv6 && pair.v6 === undefined)
        throw new NodeAgentError('ERR_NODE_AGENT_RULES', 'ip6tables is not usable, but IPv6 is switched on', {
          hint: 'install ip6tables, or set AMBIENT_IPV6=false',
        });
      let written = 0;
      for (const [family, tools] of families)
        written += await replaceRules(
          netns,
          tools,
          family === 'v6' && !settings.ipv6 ? [] : planPodTables(family, settings),
        );
      return written;
    },
    remove: async (netns) => {
      for (const [, tools] of families) await replaceRules(netns, tools, []);
    },
    // The tables of legacy iptables are not counted.
    generation: (netns) =>
      families.every(([, { variant }]) => variant === 'nft') ? rulesGeneration(netns) : undefined,
    print: async (netns) => {
      const texts: string[] = [];
      for (const [family, tools] of families) {
        const own = ownRulesOf(await saveRules(netns, tools));
        if (own !== '') texts.push(`${family}\n${own}`);
      }
      return texts.join('\n');
    },
  };
}
