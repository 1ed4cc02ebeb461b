// Recorded behaviour that we leave on purpose, with the reason of each: deviations.json, the one list, read by every golden test, also
// by those that live beside their package. Keys are titles of cases without their numbers. A test may not add entries of its own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A place where our installation differs. `path` is the beginning of the place of the difference. */
export interface PlaceDeviation {
  readonly kind: string;
  readonly path: string;
  /** Text that the place also holds. */
  readonly with?: string;
  readonly reason: string;
}

/** Groups of cases. */
export type GoldenGroup =
  | 'wds'
  | 'delta'
  | 'waypoint-objects'
  | 'waypoint-routes'
  | 'validate'
  | 'analyze'
  /** Objects that only we install. */
  | 'inventory';

type List = Readonly<Record<GoldenGroup, Readonly<Record<string, string>>>> & {
  readonly inventoryPlaces: readonly PlaceDeviation[];
};

/** All deviations. */
export const deviations = JSON.parse(readFileSync(join(import.meta.dirname, 'deviations.json'), 'utf8')) as List;
