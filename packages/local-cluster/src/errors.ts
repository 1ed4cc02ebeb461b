// The error class of this package. Thrown by start-up checks, the image map and the node runtime. Any thread.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link LocalClusterError}. */
export type LocalClusterErrorCode =
  /** A program that netns mode needs is not installed. */
  | 'ERR_LOCAL_CLUSTER_MISSING_TOOL'
  /** netns mode was asked for without root. */
  | 'ERR_LOCAL_CLUSTER_NOT_ROOT'
  /** An address that the cluster needs is taken. */
  | 'ERR_LOCAL_CLUSTER_PORT_BUSY'
  /** A cluster runs from this state folder. */
  | 'ERR_LOCAL_CLUSTER_ALREADY_UP'
  /** The image map cannot be read. */
  | 'ERR_LOCAL_CLUSTER_IMAGES'
  /** A system command failed. */
  | 'ERR_LOCAL_CLUSTER_COMMAND'
  /** A container refers to something that does not exist or is not allowed. */
  | 'ERR_LOCAL_CLUSTER_CONTAINER_CONFIG'
  /** A range of addresses is used up. */
  | 'ERR_LOCAL_CLUSTER_ADDRESSES'
  /** The database was written by a newer version of this program. */
  | 'ERR_LOCAL_CLUSTER_STATE_VERSION'
  /** The API server cannot listen on an address. */
  | 'ERR_LOCAL_CLUSTER_LISTEN'
  /** The command line is wrong. */
  | 'ERR_LOCAL_CLUSTER_USAGE';

/** Every failure of the local cluster's own code; API refusals are `ApiError`. */
export class LocalClusterError extends CodedError<LocalClusterErrorCode> {
  override readonly name = 'LocalClusterError';
}
