/**
 * CEL expressions of definitions and policies. In: source text; out: a program to evaluate, or why it is none. Compiled
 * ones are kept. There is no cost limit: expressions are written by administrators of this cluster. Main thread.
 */

import { celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import type { CelInput, CelValue } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import { formatFunctions } from './formats.ts';
import { collectionFunctions } from './lists.ts';
import { networkFunctions } from './network.ts';
import { rewriteOptionals } from './optional-syntax.ts';
import { quantityFunctions } from './quantity.ts';

/** Characters of one expression. */
export const maxExpressionChars = 64 * 1024;
const maxKept = 5000;

/** What an evaluation gave: a value, or the text of an error. */
export type Outcome = { readonly value: CelValue } | { readonly error: string };

/** A compiled expression. */
export interface Program {
  /** True when the expression mentions this name as a variable. */
  uses(name: string): boolean;
  evaluate(variables: Readonly<Record<string, CelInput>>): Outcome;
}

const environment = celEnv({
  funcs: [...strings, ...quantityFunctions, ...networkFunctions, ...formatFunctions, ...collectionFunctions],
});
const programs = new Map<string, Program | { readonly error: string }>();

/** Names of identifiers anywhere in a parsed expression. */
function identifiers(node: unknown, found: Set<string>): Set<string> {
  if (Array.isArray(node)) for (const item of node) identifiers(item, found);
  else if (typeof node === 'object' && node !== null) {
    if ('case' in node && node.case === 'identExpr' && 'value' in node) {
      const { value } = node;
      if (typeof value === 'object' && value !== null && 'name' in value) found.add(String(value.name));
    }
    for (const item of Object.values(node)) identifiers(item, found);
  }
  return found;
}

const fieldMissing = 'field not found: ';
const messageOf = (error: Error): string =>
  error.message.startsWith(fieldMissing) ? `no such key: ${error.message.slice(fieldMissing.length)}` : error.message;

function build(source: string): Program | { readonly error: string } {
  if (source.length > maxExpressionChars) return { error: `longer than ${maxExpressionChars} characters` };
  try {
    const parsed = parse(rewriteOptionals(source));
    const planned = plan(environment, parsed);
    const names = identifiers(parsed.expr, new Set());
    return {
      uses: (name) => names.has(name),
      evaluate: (variables) => {
        const result = planned(variables as Record<string, CelInput>);
        return isCelError(result) ? { error: messageOf(result) } : { value: result };
      },
    };
  } catch (error) {
    return { error: `ERROR: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Compiles, or takes what was compiled before. */
export function compile(source: string): Program | { readonly error: string } {
  let found = programs.get(source);
  if (found === undefined) {
    found = build(source);
    if (programs.size >= maxKept) programs.clear();
    programs.set(source, found);
  }
  return found;
}
