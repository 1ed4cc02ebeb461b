// Errors of this package: one class, a closed list of codes. Thrown by every file of this package.
import { CodedError } from '@ambit/runtime/errors';

/** Codes of {@link ChartError}. */
export type ChartErrorCode =
  /** A template of a chart cannot be read, or asks for something that does not exist; the message names file and line. */
  | 'ERR_CHARTS_TEMPLATE'
  /** Values do not fit the schema of a chart; the message names every problem. */
  | 'ERR_CHARTS_VALUES'
  /** An IstioOperator file asks for something that is not supported; the message names it. */
  | 'ERR_CHARTS_OPERATOR'
  /** A chart refuses a combination of values (`fail` in a template); the message is the chart's. */
  | 'ERR_CHARTS_REFUSED';

/** Every failure of this package. */
export class ChartError extends CodedError<ChartErrorCode> {
  override readonly name = 'ChartError';
}
