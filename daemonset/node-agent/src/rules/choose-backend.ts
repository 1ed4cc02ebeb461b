// In: settings, what works on this node. Out: the tool for the rules of pods and node, one per agent lifetime. Called by
// capture/netns-capture.ts at start. Source: spec node-agent 3.1; decisions D18: nftables where it works unless the settings say otherwise.
import type { Logger } from '@ambit/runtime/log';
import type { NodeAgentConfig } from '../config.ts';
import { NodeAgentError } from '../errors.ts';
import { type HostBackend, type HostRuleSettings, probeSets } from './host-backend.ts';
import { replacing, replacingHost } from './former-rules.ts';
import { hasIpset, hostChain, hostIptables } from './host-iptables.ts';
import { hostNftables } from './host-nftables.ts';
import { findIptables, type IptablesTools, lockedByNamespace } from './iptables-binary.ts';
import { iptablesBackend } from './iptables.ts';
import { nftablesBackend } from './nftables.ts';
import type { RuleBackend } from './rule-backend.ts';
import { runInside } from './run-inside.ts';

/** The chosen tools. */
export interface ChosenBackend {
  readonly pods: RuleBackend;
  readonly host: HostBackend;
}

/** What NATIVE_NFTABLES asks for; undefined leaves it to the agent. Other texts than booleans mean false, as upstream. Pure. */
export function asksForNftables(text: string): boolean | undefined {
  if (text === '') return undefined;
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text);
}

const trial = 'ambit-trial';

/** Makes and removes a table with a nat chain, which is what the rules need. */
async function nftablesWorks(netns: number | undefined): Promise<boolean> {
  const text = `add table inet ${trial}\nadd chain inet ${trial} output { type nat hook output priority -100; }\nadd rule inet ${trial} output meta l4proto tcp mark and 0xfff == 0x539 redirect to :15001\ndelete table inet ${trial}\n`;
  try {
    return (await runInside(netns, 'nft', ['-f', '-'], text)).status === 0;
  } catch (error) {
    if (error instanceof NodeAgentError) return false;
    throw error;
  }
}

/** Sets that an earlier agent with iptables made: its pods have iptables rules until the node restarts. */
async function hasLeftoverSets(netns: number | undefined): Promise<boolean> {
  if (!(await hasIpset(netns))) return false;
  const { stdout } = await runInside(netns, 'ipset', ['list', '-n']);
  return stdout.split('\n').some((name) => name === probeSets.v4 || name === probeSets.v6);
}

/** The same of one that had no ipset: its chain on the node. */
async function hasLeftoverChain(netns: number | undefined): Promise<boolean> {
  for (const program of ['iptables-nft-save', 'iptables-legacy-save', 'iptables-save']) {
    try {
      const { stdout } = await runInside(netns, program, ['-t', 'nat']);
      if (stdout.split('\n').some((line) => line.startsWith(`:${hostChain} `))) return true;
    } catch (error) {
      if (!(error instanceof NodeAgentError)) throw error; // no such program: nothing was made with it
    }
  }
  return false;
}

async function choosesNftables(config: NodeAgentConfig, netns: number | undefined, log: Logger): Promise<boolean> {
  const asked = asksForNftables(config.NATIVE_NFTABLES);
  if (asked === false) return false;
  if ((await hasLeftoverSets(netns)) || (await hasLeftoverChain(netns))) {
    log.warn('iptables is kept until the node restarts', { reason: 'pods of an earlier agent have iptables rules' });
    return false;
  }
  return asked === true || (await nftablesWorks(netns));
}

/** Decides, once. Throws ERR_NODE_AGENT_RULES when no tool works. */
export async function chooseBackend(
  config: NodeAgentConfig,
  settings: HostRuleSettings,
  log: Logger,
): Promise<ChosenBackend> {
  const { netns } = settings;
  if (await choosesNftables(config, netns, log)) {
    log.info('rules by nftables');
    return { pods: nftablesBackend, host: hostNftables(settings) };
  }
  const forced = config.FORCE_IPTABLES_BINARY;
  const v4 = await findIptables(netns, 'iptables', forced);
  if (v4 === undefined)
    throw new NodeAgentError('ERR_NODE_AGENT_RULES', 'neither nft nor iptables works on this node', {
      hint: 'the image must have one of them, and the kernel its modules',
    });
  const v6 = await findIptables(netns, 'ip6tables', forced);
  const withSets = await hasIpset(netns);
  log.info('rules by iptables', { program: v4.program, variant: v4.variant, program6: v6?.program, ipset: withSets });
  const scoped = config.AMBIENT_USE_SCOPED_XTABLES_LOCKING ? lockedByNamespace : (tools: IptablesTools) => tools;
  const inPods = { v4: scoped(v4), v6: v6 === undefined ? undefined : scoped(v6) };
  const chosen = { pods: iptablesBackend(inPods), host: hostIptables(settings, { v4, v6 }, withSets) };
  if (!(await nftablesWorks(netns))) return chosen;
  return {
    pods: replacing(chosen.pods, nftablesBackend),
    host: replacingHost(chosen.host, hostNftables(settings)),
  };
}
