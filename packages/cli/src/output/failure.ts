// In: anything thrown. Out: fact, why, try and id on standard error (CLI-7), and the exit status. Called by main.ts.
import { codeOf, explain, messageOf } from '@ambit/runtime/errors';
import { CommanderError } from 'commander';
import { exitStatus, statusOfError } from './exit-status.ts';

const cannot = ' cannot ';

/** What the API server refused, to a person: the request is the reason, not the fact. Pure. */
function refusalText(message: string): string {
  const at = message.indexOf(cannot);
  const fact = at < 0 ? 'the API server does not allow this' : `you may not ${message.slice(at + cannot.length)}`;
  return `${fact}\nwhy: ${message}\ntry: kubectl auth can-i --list; then ask for a role that may, or use another --context`;
}

/** The text of an error for a person; the id is what `ambit help` explains. Pure. */
export function failureText(error: unknown): string {
  const code = codeOf(error);
  const text = code === 'ERR_KUBE_FORBIDDEN' ? refusalText(messageOf(error)) : explain(error);
  return code?.startsWith('ERR_') === true ? `${text}\nid: ${code} (ambit help ${code})` : text;
}

/** Prints an error for a person; with `-v` its stack too. */
export function printFailure(error: unknown, isVerbose = false): void {
  process.stderr.write(`${failureText(error)}\n`);
  if (isVerbose && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
}

/** Prints what was thrown, unless the argument parser has, and says which exit status it means. */
export function failureStatus(error: unknown, isVerbose: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
  printFailure(error, isVerbose);
  return statusOfError(error);
}
