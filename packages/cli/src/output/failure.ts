// In: anything thrown. Out: fact, why, try on standard error. Called by main.ts.
import { explain } from '@ambit/runtime/errors';

/** Prints an error for a person. */
export function printFailure(error: unknown): void {
  process.stderr.write(`${explain(error)}\n`);
}
