// Errors of the command line. Thrown by the commands, printed by output/failure.ts.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link CliError}. */
export type CliErrorCode =
  | 'ERR_CLI_CLUSTER_UNREACHABLE'
  | 'ERR_CLI_KUBECONFIG'
  | 'ERR_CLI_LOCAL_START'
  | 'ERR_CLI_LOCAL_RUNNING'
  | 'ERR_CLI_NOT_FOUND'
  | 'ERR_CLI_INVALID'
  | 'ERR_CLI_TIMEOUT'
  | 'ERR_CLI_EVIDENCE';

/** Why a command could not do what it was asked. */
export class CliError extends CodedError<CliErrorCode> {
  override readonly name = 'CliError';
}
