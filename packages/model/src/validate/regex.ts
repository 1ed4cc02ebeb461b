// Expressions of users, which the proxies run with RE2 (spec control-plane 10.2). Pure.
import { RE2JS } from 're2js';

const MAX_LENGTH = 1024;
const HINT = 'Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)';

/** Why a text is no expression, in Go's words; undefined when it is one. */
export function problemOfExpression(text: string): string | undefined {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'error parsing regexp';
  }
}

/** Why a field of a rule is no expression. */
export function problemOfRegex(regex: string, where: string): string | undefined {
  if (regex.length > MAX_LENGTH) return `"${where}": regex is too large, max length allowed is ${MAX_LENGTH}`;
  const problem = problemOfExpression(regex);
  return problem === undefined ? undefined : `"${where}": ${problem}; ${HINT}`;
}
