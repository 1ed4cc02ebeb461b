// In: what is going to change. Out: the plan on standard output, and consent (CLI-11). Called by every command that changes something.
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { CliError } from '../errors.ts';
import { documentOf, printDocument } from './print-listing.ts';

/** One thing that a command is going to do. */
export interface PlannedChange {
  readonly action: 'create' | 'update' | 'delete' | 'label' | 'unlabel' | 'wait' | 'restart';
  /** `Kind ns/name`. */
  readonly object: string;
  readonly detail?: string;
}

/** Options that {@link planOptions} adds. */
export interface PlanFlags {
  readonly plan?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly output?: string;
}

/** Adds `--plan`, `--dry-run`, `-y` and `--skip-confirmation`. */
export function planOptions(command: Command): Command {
  return command
    .option('--plan', 'only say what would happen (-o json for machines)')
    .option('--dry-run', 'the same as --plan')
    .option('-y, --yes', 'do not ask')
    .option('--skip-confirmation', 'the same as -y');
}

/** Lines of a plan. Pure. */
export function planText(changes: readonly PlannedChange[]): string {
  if (changes.length === 0) return 'nothing would change';
  return changes
    .map(({ action, object, detail }) => `  ${action.padEnd(8)}${object}${detail === undefined ? '' : `  ${detail}`}`)
    .join('\n');
}

const isYes = (answer: string): boolean => ['y', 'yes'].includes(answer.trim().toLowerCase());

/**
 * True when the changes are to be made. `--plan` prints and answers false. On a terminal the plan is shown and a question asked
 * unless `-y` is given; off a terminal the command goes on. Throws ERR_CLI_CANCELLED on anything but yes.
 */
export async function confirmPlan(
  changes: readonly PlannedChange[],
  flags: PlanFlags & { readonly skipConfirmation?: boolean },
): Promise<boolean> {
  if (flags.plan === true || flags.dryRun === true) {
    const isDocument = await printDocument(documentOf('Plan', { changes }), flags.output ?? 'table');
    if (!isDocument) process.stdout.write(`${planText(changes)}\n`);
    return false;
  }
  if (flags.yes === true || flags.skipConfirmation === true || !process.stdin.isTTY || changes.length === 0)
    return true;
  process.stderr.write(`${planText(changes)}\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    if (isYes(await terminal.question('go on? (y/N) '))) return true;
  } finally {
    terminal.close();
  }
  throw new CliError('ERR_CLI_CANCELLED', 'Cancelled.');
}
