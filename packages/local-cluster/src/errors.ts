// The error class of this package. Thrown by start-up checks, the image map and the node runtime. Any thread.
import { CodedError } from '@ambit/runtime/errors';

/**
 * - `ERR_LOCAL_CLUSTER_MISSING_TOOL`: a program that netns mode needs is not installed.
 * - `ERR_LOCAL_CLUSTER_NOT_ROOT`: netns mode was asked for without root.
 * - `ERR_LOCAL_CLUSTER_PORT_BUSY`: an address that the cluster needs is taken.
 * - `ERR_LOCAL_CLUSTER_ALREADY_UP`: a cluster runs from this state folder.
 * - `ERR_LOCAL_CLUSTER_IMAGES`: the image map can not be read.
 * - `ERR_LOCAL_CLUSTER_COMMAND`: a system command failed.
 * - `ERR_LOCAL_CLUSTER_CONTAINER_CONFIG`: a container refers to something that does not exist or is not allowed.
 * - `ERR_LOCAL_CLUSTER_ADDRESSES`: a range of addresses is used up.
 * - `ERR_LOCAL_CLUSTER_STATE_VERSION`: the database was written by a newer version of this program.
 * - `ERR_LOCAL_CLUSTER_LISTEN`: the API server can not listen on an address.
 * - `ERR_LOCAL_CLUSTER_USAGE`: the command line is wrong.
 */
export type LocalClusterErrorCode =
  | 'ERR_LOCAL_CLUSTER_MISSING_TOOL'
  | 'ERR_LOCAL_CLUSTER_NOT_ROOT'
  | 'ERR_LOCAL_CLUSTER_PORT_BUSY'
  | 'ERR_LOCAL_CLUSTER_ALREADY_UP'
  | 'ERR_LOCAL_CLUSTER_IMAGES'
  | 'ERR_LOCAL_CLUSTER_COMMAND'
  | 'ERR_LOCAL_CLUSTER_CONTAINER_CONFIG'
  | 'ERR_LOCAL_CLUSTER_ADDRESSES'
  | 'ERR_LOCAL_CLUSTER_STATE_VERSION'
  | 'ERR_LOCAL_CLUSTER_LISTEN'
  | 'ERR_LOCAL_CLUSTER_USAGE';

/** Every failure of the local cluster's own code; API refusals are `ApiError`. */
export class LocalClusterError extends CodedError<LocalClusterErrorCode> {
  override readonly name = 'LocalClusterError';
}
