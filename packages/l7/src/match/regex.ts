/**
 * User regular expressions: RE2 syntax, whole-string match, linear time (decisions 6).
 * In: a pattern from configuration. Out: a predicate. Called while resources are compiled; the predicate on the data thread.
 */
import { RE2JS } from 're2js';
import { L7Error } from '../errors.ts';

/** Longest pattern that is accepted, in UTF-16 units (spec/waypoint.md 3.8). */
export const MAX_PATTERN_LENGTH = 1024;

/**
 * Compiles a pattern to a whole-string test.
 * Throws ERR_L7_REGEX for anything that RE2 refuses (look-around, back-references) and for over-long patterns.
 */
export const compileRegex = (pattern: string, ignoreCase = false): ((text: string) => boolean) => {
  if (pattern === '.*') return (text) => !text.includes('\n');
  const compiled = compile(pattern, ignoreCase);
  return (text) => compiled.matches(text);
};

/**
 * Compiles a substitution with `\0` to `\9` group references; replaces every occurrence (spec/waypoint.md 3.7).
 * Throws ERR_L7_REGEX like {@link compileRegex}.
 */
export const compileSubstitution = (pattern: string, substitution: string): ((text: string) => string) => {
  const compiled = compile(pattern, false);
  const pieces = parseSubstitution(substitution);
  const build = (...found: unknown[]): string => {
    let result = '';
    for (const piece of pieces) {
      if (typeof piece === 'string') result += piece;
      else if (typeof found[piece] === 'string') result += found[piece];
    }
    return result;
  };
  return (text) => compiled.matcher(text).replaceAll(build);
};

const compile = (pattern: string, ignoreCase: boolean): RE2JS => {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new L7Error(
      'ERR_L7_REGEX',
      `regular expression of ${pattern.length} characters, limit ${MAX_PATTERN_LENGTH}`,
    );
  }
  try {
    return RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (cause) {
    throw new L7Error('ERR_L7_REGEX', `regular expression ${JSON.stringify(pattern)} is not RE2 syntax`, {
      cause,
      hint: 'look-around and back-references are not part of RE2',
    });
  }
};

const parseSubstitution = (substitution: string): (string | number)[] => {
  const pieces: (string | number)[] = [];
  let literal = '';
  for (let index = 0; index < substitution.length; index++) {
    const character = substitution[index] as string;
    const next = substitution[index + 1];
    if (character !== '\\' || next === undefined) {
      literal += character;
      continue;
    }
    index++;
    if (next >= '0' && next <= '9') {
      pieces.push(literal, Number(next));
      literal = '';
    } else literal += next;
  }
  pieces.push(literal);
  return pieces.filter((piece) => piece !== '');
};
