/**
 * StringMatch of the configuration -> a predicate over a value that may be absent.
 * Called while resources are compiled; the predicate on the data thread.
 */
import type { StringMatch } from '@ambit/proto/waypoint';
import { anyHolds } from './hold.ts';
import { compilePathTemplate } from './path-template.ts';
import { compileRegex } from './regex.ts';

/** Accepts or refuses one attribute value; `undefined` stands for an absent attribute. */
export type ValueTest = (value: string | undefined) => boolean;

/** How a caller bends the comparison. */
export interface StringMatchOptions {
  /** Compare without letter case whatever the message says (hosts). */
  readonly ignoreCase?: boolean;
  /** Rewrites the configured text before it is compiled (adds `spiffe://` to principals). */
  readonly adjust?: (text: string) => string;
}

/**
 * Compiles one StringMatch. An absent value satisfies nothing except `invert` (spec/waypoint.md 4.1.3, rule 1);
 * `present` asks for a non-empty value. An empty oneof matches nothing: an unknown form must not widen a policy.
 * Throws ERR_L7_REGEX and ERR_L7_TEMPLATE.
 */
export const compileStringMatch = (match: StringMatch, options: StringMatchOptions = {}): ValueTest => {
  const ignoreCase = match.ignoreCase || options.ignoreCase === true;
  const test = compileForm(match, ignoreCase, options.adjust ?? ((text) => text));
  return match.invert ? (value) => value === undefined || !test(value) : (value) => value !== undefined && test(value);
};

/** Compiles a list whose members are alternatives; an empty list gives undefined ("not constrained"). */
export const compileAny = (matches: readonly StringMatch[], options?: StringMatchOptions): ValueTest | undefined => {
  if (matches.length === 0) return undefined;
  const tests = matches.map((match) => compileStringMatch(match, options));
  if (tests.length === 1) return tests[0];
  return (value) => anyHolds(tests, value);
};

const compileForm = (
  match: StringMatch,
  ignoreCase: boolean,
  adjust: (text: string) => string,
): ((value: string) => boolean) => {
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text);
  const form = match.m;
  switch (form.case) {
    case 'exact': {
      const wanted = fold(adjust(form.value));
      return (value) => fold(value) === wanted;
    }
    case 'prefix': {
      const wanted = fold(adjust(form.value));
      return (value) => fold(value).startsWith(wanted);
    }
    case 'suffix': {
      const wanted = fold(form.value);
      return (value) => fold(value).endsWith(wanted);
    }
    case 'regex':
      return compileRegex(form.value, ignoreCase);
    case 'template':
      return compilePathTemplate(form.value);
    case 'present':
      return form.value ? (value) => value !== '' : () => false;
    case undefined:
      return () => false;
    default:
      return form satisfies never;
  }
};
