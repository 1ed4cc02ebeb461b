// Errors of the control plane: one class, a closed list of codes.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link ControlPlaneError}. */
export type ControlPlaneErrorCode =
  /** The key and certificates of the authority are incomplete, or their Secret keeps changing. */
  | 'ERR_CONTROL_PLANE_CA_MATERIAL'
  /** A port of the control plane cannot be bound. */
  | 'ERR_CONTROL_PLANE_LISTEN';

/** Every failure of this app. */
export class ControlPlaneError extends CodedError<ControlPlaneErrorCode> {
  override readonly name = 'ControlPlaneError';
}
