// The shape of a step of the tour, and how a step states what it has seen.
import { CliError } from '../errors.ts';
import type { Stage } from './stage.ts';

/** One step. */
export interface TourStep {
  readonly number: number;
  readonly title: string;
  /** The commands that do the same on any cluster. */
  readonly commands: readonly string[];
  /** Does it and returns what was seen, one fact per line. Throws ERR_CLI_EVIDENCE when the mesh did not keep its promise. */
  readonly run: (stage: Stage) => Promise<readonly string[]>;
}

/** Refuses to go on when a promise is broken. */
export function expect(holds: boolean, fact: string, why: string): asserts holds {
  if (!holds) throw new CliError('ERR_CLI_EVIDENCE', fact, { cause: new Error(why) });
}
