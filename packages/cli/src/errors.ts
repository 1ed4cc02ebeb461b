// Errors of the command line. Thrown by the commands, printed by output/failure.ts, turned into an exit status by output/exit-status.ts.
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
  /** A name fits several objects; the message lists them. */
  | 'ERR_CLI_AMBIGUOUS'
  /** The command would do harm in the present state of the cluster; an option of the command says how to do it anyway. */
  | 'ERR_CLI_REFUSED'
  /** A file that the user named cannot be read or parsed. */
  | 'ERR_CLI_FILE'
  /** The question at the terminal was answered with anything but yes. */
  | 'ERR_CLI_CANCELLED'
  /** A node proxy or waypoint did not answer on its admin port, or answered something else than expected. */
  | 'ERR_CLI_ADMIN'
  /** What the command waited for did not happen in time. */
  | 'ERR_CLI_TIMEOUT'
  /** The demo asserted something that does not hold; the cause says what was seen. */
  | 'ERR_CLI_EVIDENCE';

/** Why a command could not do what it was asked. */
export class CliError extends CodedError<CliErrorCode> {
  override readonly name = 'CliError';
}
