// In: anything thrown. Out: the exit status that CI reads (spec user-tools 2.3, CLI-1). Pure. Called by main.ts.
import { codeOf } from '@ambit/runtime/errors';

/** What an exit status means; the same for every command. */
export const exitStatus = {
  done: 0,
  /** Something failed that has no status of its own. */
  failed: 1,
  /** What the command needs is not there: no cluster answers, an object or definition is missing. */
  precondition: 2,
  /** The answer is no: denied, not ready, refused. */
  no: 3,
  /** Not decided in time. */
  undecided: 4,
  /** Unknown command or flag, or a value that cannot be used. */
  usage: 64,
  /** A file could not be parsed. */
  data: 65,
  /** Analysis found messages at or above the failure threshold. */
  findings: 79,
  interrupted: 130,
} as const;

const statuses: Readonly<Record<string, number>> = {
  ERR_CLI_NOT_FOUND: exitStatus.precondition,
  ERR_CLI_INVALID: exitStatus.usage,
  ERR_CLI_AMBIGUOUS: exitStatus.usage,
  ERR_CLI_FILE: exitStatus.data,
  ERR_CHARTS_VALUES: exitStatus.data,
  ERR_CHARTS_OPERATOR: exitStatus.data,
  ERR_CHARTS_REFUSED: exitStatus.data,
  ERR_CLI_REFUSED: exitStatus.no,
  ERR_CLI_TIMEOUT: exitStatus.undecided,
  ERR_CLI_ADMIN: exitStatus.precondition,
  ERR_KUBE_CONFIG: exitStatus.precondition,
  ERR_KUBE_UNREACHABLE: exitStatus.precondition,
  ERR_KUBE_FORBIDDEN: exitStatus.precondition,
  ERR_KUBE_NOT_FOUND: exitStatus.precondition,
};

/** The exit status of an error. */
export function statusOfError(error: unknown): number {
  const code = codeOf(error);
  return (code === undefined ? undefined : statuses[code]) ?? exitStatus.failed;
}

/** Lines for `--help`: the statuses that a command may return beside 0, 1, 2 and 64. */
export function exitStatusHelp(...lines: readonly string[]): string {
  return [
    '',
    'Exit status:',
    '  0 done, 1 failed, 2 something needed is missing, 64 wrong usage',
    ...lines.map((line) => `  ${line}`),
  ].join('\n');
}
