// Errors of this package: one class, a closed list of codes. Thrown by every file of this package.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link ImageError}. */
export type ImageErrorCode =
  /** Two files of an image have the same path and differ, or a path cannot stand in an archive; the message names it. */
  | 'ERR_IMAGES_PATH'
  /** A package that the program needs is not installed, or was not compiled. */
  | 'ERR_IMAGES_INCOMPLETE'
  /** The machine that builds lacks something: Debian's package database, a program of the image, a shared library. */
  | 'ERR_IMAGES_MACHINE'
  /** The command line cannot be understood. */
  | 'ERR_IMAGES_USAGE';

/** Every failure of this package. */
export class ImageError extends CodedError<ImageErrorCode> {
  override readonly name = 'ImageError';
}
