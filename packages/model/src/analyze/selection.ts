// Selectors as analyzers use them: a set of pairs, nothing else; an empty set selects everything. Pure.
import { isSubset, type Labels } from '../labels.ts';
import { mapOf } from '../validate/json.ts';

/** A selector made of pairs. */
export interface PairSelector {
  /** `a=b,c=d`, sorted by key. */
  readonly text: string;
  readonly matches: (labels: Labels) => boolean;
}

/** Reads a map of labels; anything else selects everything. */
export function pairSelector(value: unknown): PairSelector {
  const pairs = mapOf(value) as Labels;
  return {
    text: Object.keys(pairs)
      .toSorted()
      .map((key) => `${key}=${pairs[key]}`)
      .join(','),
    matches: (labels) => isSubset(pairs, labels),
  };
}

/** Path of the first label of a selector, for the line of a message: `.spec.selector.<label>`. */
export function firstLabelPath(prefix: string, { text }: PairSelector): string {
  const equals = text.indexOf('=');
  return `${prefix}.${equals < 0 ? '' : text.slice(0, equals)}`;
}
