// Errors of the command line. Thrown by the commands, printed by output/failure.ts.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link CliError}. */
export type CliErrorCode =
  /** The local cluster ended, or was not ready in time, while it started. */
  | 'ERR_CLI_LOCAL_START'
  /** A local cluster of this name is already running. */
  | 'ERR_CLI_LOCAL_RUNNING'
  /** An object that the command needs does not exist. */
  | 'ERR_CLI_NOT_FOUND'
  /** An argument or a combination of options cannot be used. */
  | 'ERR_CLI_INVALID'
  /** What the command waited for did not happen in time. */
  | 'ERR_CLI_TIMEOUT'
  /** The demo asserted something that does not hold; the cause says what was seen. */
  | 'ERR_CLI_EVIDENCE';

/** Why a command could not do what it was asked. */
export class CliError extends CodedError<CliErrorCode> {
  override readonly name = 'CliError';
}
