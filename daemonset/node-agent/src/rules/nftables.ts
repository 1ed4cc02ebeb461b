// In: rule text of plan.ts. Out: those tables in a pod, one transaction per change. Called by apply.ts. Source: spec node-agent 3.6.
import { netfilterGeneration } from '@ambit/net';
import { NodeAgentError } from '../errors.ts';
import { buildPodRemoval, buildPodRules, tables } from './plan.ts';
import type { RuleBackend } from './rule-backend.ts';
import { runInside } from './run-inside.ts';

/** Counts up with every change that nft, or iptables over nf_tables, makes; undefined where the kernel does not tell. */
export function rulesGeneration(netns: number): number | undefined {
  try {
    return netfilterGeneration(netns);
  } catch {
    return undefined; // a kernel without the question: the rules themselves are looked at
  }
}

/** Runs one transaction. Throws ERR_NODE_AGENT_RULES. */
export async function runTransaction(netns: number | undefined, text: string): Promise<void> {
  const { status, stderr } = await runInside(netns, 'nft', ['-f', '-'], text);
  if (status === 0) return;
  throw new NodeAgentError('ERR_NODE_AGENT_RULES', `nft ended with status ${status}`, {
    cause: new Error(stderr.trim()),
    hint: 'the kernel must offer nftables with nat and conntrack',
  });
}

/** Tables of these names, in this order, out of the text of `nft list ruleset inet`. Pure. */
export function tablesOf(ruleset: string, names: readonly string[]): string {
  const kept = new Map<string, string[]>();
  let current: string[] | undefined;
  for (const line of ruleset.split('\n')) {
    if (line.startsWith('table ')) {
      current = undefined;
      const name = names.find((each) => line === `table inet ${each} {`);
      if (name !== undefined) kept.set(name, (current = []));
    }
    current?.push(line);
    if (line === '}') current = undefined;
  }
  return names.flatMap((name) => kept.get(name) ?? []).join('\n');
}

/** The named tables of a namespace, without counters; empty when there is none. Throws ERR_NODE_AGENT_RULES. */
export async function printTables(netns: number | undefined, names: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runInside(netns, 'nft', ['-s', 'list', 'ruleset', 'inet']);
  if (status === 0) return tablesOf(stdout, names);
  throw new NodeAgentError('ERR_NODE_AGENT_RULES', `nft list ended with status ${status}`, {
    cause: new Error(stderr.trim()),
  });
}

/** Rules by nftables. */
export const nftablesBackend: RuleBackend = {
  name: 'nftables',
  load: async (netns, settings) => {
    await runTransaction(netns, buildPodRules(settings));
    return 1;
  },
  remove: async (netns) => runTransaction(netns, buildPodRemoval()),
  generation: rulesGeneration,
  print: async (netns) => printTables(netns, tables),
};
