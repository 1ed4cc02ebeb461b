// In: what is installed, a forced choice. Out: the iptables tools that this agent uses, found once at start in the node's namespace.
// Called by choose-backend.ts. Source: spec node-agent 3.2.
import { NodeAgentError } from '../errors.ts';
import { namespacePath, runInside } from './run-inside.ts';

/** The tools of one family. */
export interface IptablesTools {
  /** Program name, `iptables-nft` for example; `<program>-save` and `<program>-restore` go with it. */
  readonly program: string;
  readonly variant: 'legacy' | 'nft';
  /** Options of the restore tool that make it wait for the lock; only the legacy variant has one. */
  readonly waitOptions: readonly string[];
  /** Variables for the tools; none by default. */
  readonly variables?: Readonly<Record<string, string>>;
}

/**
 * The same tools for use in a pod: their lock is the pod's namespace itself, so that neither the node's own rules nor those of other pods are
 * waited for. Programs before 1.8.6 do not know the variable and keep the one lock.
 */
export const lockedByNamespace = (tools: IptablesTools): IptablesTools =>
  tools.variant === 'nft' ? tools : { ...tools, variables: { XTABLES_LOCKFILE: namespacePath } };

const lockWaitSeconds = 30;
/** A no-op rule: protocol 255 is reserved. */
const probeRule = ['-t', 'nat', 'INPUT', '-p', '255', '-j', 'RETURN'] as const;

interface Found extends IptablesTools {
  readonly hasRules: boolean;
}

/** The variant in the text of `--version`; undefined for a text without a version. Pure. */
export function variantOf(version: string): 'legacy' | 'nft' | undefined {
  if (!version.includes(' v')) return undefined;
  return version.includes('nf_tables') ? 'nft' : 'legacy';
}

async function probe(netns: number | undefined, program: string, run: typeof runInside): Promise<Found | undefined> {
  try {
    const version = await run(netns, `${program}-save`, ['--version']);
    const variant = variantOf(version.stdout);
    const saved = await run(netns, `${program}-save`, []);
    if (version.status !== 0 || variant === undefined || saved.status !== 0) return undefined;
    const [, table, ...rule] = probeRule;
    const added = await run(netns, program, ['-t', table, '-A', ...rule]);
    const removed = await run(netns, program, ['-t', table, '-D', ...rule]);
    if (added.status !== 0 || removed.status !== 0 || added.stderr.includes('does not exist')) return undefined;
    return {
      program,
      variant,
      waitOptions: variant === 'legacy' ? [`--wait=${lockWaitSeconds}`] : [],
      // Rules, not lines: looking at a table makes it, and a later agent must not take an empty one for a reason to change the tool.
      hasRules: saved.stdout.split('\n').some((line) => line.startsWith('-A ')),
    };
  } catch (error) {
    // A program that is not installed is not usable; that is an answer.
    if (error instanceof NodeAgentError) return undefined;
    throw error;
  }
}

/**
 * Finds usable tools: what is forced; else legacy where it already has rules, then nft, then the plain name. Undefined when none works.
 * Throws ERR_NODE_AGENT_CONFIG for a forced value that is neither `legacy` nor `nft`. `run` is replaced in tests.
 */
export async function findIptables(
  netns: number | undefined,
  base: 'iptables' | 'ip6tables',
  forced: string,
  run: typeof runInside = runInside,
): Promise<IptablesTools | undefined> {
  if (forced !== '' && forced !== 'legacy' && forced !== 'nft') {
    throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', `FORCE_IPTABLES_BINARY is "${forced}"`, {
      hint: 'legacy, nft, or nothing',
    });
  }
  if (forced !== '') return probe(netns, `${base}-${forced}`, run);
  const legacy = await probe(netns, `${base}-legacy`, run);
  if (legacy?.hasRules === true) return legacy;
  return (await probe(netns, `${base}-nft`, run)) ?? (await probe(netns, base, run));
}
