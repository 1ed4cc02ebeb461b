// In: the words typed so far. Out: candidates in cobra's protocol: candidate, tab, description; last a line `:directive`.
// Names come from the cluster within 500 ms and are kept for five seconds; without an answer there are none. Called by command.ts.
import type { Command, Option } from 'commander';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CliConfig } from '../config.ts';

/** One candidate. */
export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What stands at the end of the line: a command, an option, a value of an option, or an argument. */
export type Position =
  | { readonly kind: 'candidates'; readonly candidates: readonly Candidate[] }
  | { readonly kind: 'names'; readonly of: 'namespace' | 'node' | 'pod' };

const namesFor: Readonly<Record<string, 'namespace' | 'node' | 'pod'>> = {
  '--namespace': 'namespace',
  '-n': 'namespace',
  '--istioNamespace': 'namespace',
  '-i': 'namespace',
  '--node': 'node',
  namespace: 'namespace',
  node: 'node',
  pod: 'pod',
  workload: 'pod',
  source: 'pod',
  reference: 'pod',
};

const optionOf = (chain: readonly Command[], word: string): Option | undefined =>
  chain.flatMap((command) => command.options).find((option) => option.short === word || option.long === word);

const takesValue = (option: Option): boolean => option.required || option.optional;

/** Decides what can stand at the end of the line. Pure. */
export function positionOf(program: Command, words: readonly string[]): Position {
  const last = words.at(-1) ?? '';
  const chain: Command[] = [program];
  let operands = 0;
  let pending: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (pending !== undefined) pending = undefined;
    else if (word.startsWith('-')) {
      const option = word.includes('=') ? undefined : optionOf(chain, word);
      pending = option !== undefined && takesValue(option) ? option : undefined;
    } else {
      const next = chain
        .at(-1)
        ?.commands.find((command) => command.name() === word || command.aliases().includes(word));
      if (next === undefined) operands += 1;
      else chain.push(next);
    }
  }
  if (pending !== undefined) {
    const of = namesFor[pending.long ?? ''] ?? namesFor[pending.short ?? ''];
    if (of !== undefined) return { kind: 'names', of };
    return { kind: 'candidates', candidates: (pending.argChoices ?? []).map((value) => ({ value, description: '' })) };
  }
  const command = chain.at(-1) ?? program;
  if (last.startsWith('-')) {
    const options = chain.flatMap((one) => one.options).filter((option) => !option.hidden && option.long !== undefined);
    return {
      kind: 'candidates',
      candidates: options.map((option) => ({ value: option.long ?? '', description: option.description })),
    };
  }
  const visible = command.commands.filter((one) => !(one as unknown as { _hidden?: boolean })._hidden);
  if (visible.length > 0 && operands === 0)
    return {
      kind: 'candidates',
      candidates: visible.map((one) => ({ value: one.name(), description: one.description() })),
    };
  const argument = command.registeredArguments[operands] ?? command.registeredArguments.findLast((one) => one.variadic);
  const of =
    argument === undefined ? undefined : (namesFor[argument.name().replace('s', '')] ?? namesFor[argument.name()]);
  if (of !== undefined) return { kind: 'names', of };
  return { kind: 'candidates', candidates: (argument?.argChoices ?? []).map((value) => ({ value, description: '' })) };
}

const budgetMs = 500;
const keptMs = 5000;

async function namesOf(
  program: Command,
  config: CliConfig,
  of: 'namespace' | 'node' | 'pod',
): Promise<readonly string[]> {
  const { openCluster } = await import('../cluster/open.ts');
  const api = await openCluster(program, config);
  const { kinds } = await import('../cluster/kinds.ts');
  const listed = await api.list(kinds[of], of === 'pod' ? { namespace: api.namespace } : {});
  api.close();
  return listed.map((object) => object.metadata?.name ?? '');
}

async function keptNames(
  program: Command,
  config: CliConfig,
  of: 'namespace' | 'node' | 'pod',
): Promise<readonly string[]> {
  const folder = join(tmpdir(), `ambit-completion-${process.getuid?.() ?? 0}`);
  const file = join(folder, `${of}-${encodeURIComponent(JSON.stringify(program.opts()))}`);
  try {
    const stats = statSync(file);
    if (Date.now() - stats.mtimeMs < keptMs && stats.uid === (process.getuid?.() ?? stats.uid))
      return readFileSync(file, 'utf8').split('\n');
  } catch {
    // Nothing kept yet.
  }
  const names = await namesOf(program, config, of);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(file, names.join('\n'), { mode: 0o600 });
  return names;
}

/** `4` = no file completion. */
const noFiles = ':4';

/** The answer to the shell. Never throws: a shell has no use for errors. */
export async function complete(program: Command, config: CliConfig, words: readonly string[]): Promise<string> {
  const last = words.at(-1) ?? '';
  const position = positionOf(program, words);
  let candidates = position.kind === 'candidates' ? position.candidates : [];
  if (position.kind === 'names') {
    const late = new Promise<readonly string[]>((resolve) => setTimeout(() => resolve([]), budgetMs).unref());
    const names = await Promise.race([
      keptNames(program, config, position.of).catch((): readonly string[] => []),
      late,
    ]);
    candidates = names.map((value) => ({ value, description: '' }));
  }
  const lines = candidates
    .filter(({ value }) => value.startsWith(last))
    .map(({ value, description }) => (description === '' ? value : `${value}\t${description}`));
  return `${[...lines, noFiles].join('\n')}\n`;
}
