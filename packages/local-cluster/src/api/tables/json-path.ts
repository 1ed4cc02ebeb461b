/** The JSONPath subset of printer columns: fields, quoted fields, index, `[*]`, one equality filter. Pure. */

import { isDigits } from '../characters.ts';
import { isObject } from '../json.ts';

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly path: readonly string[]; readonly value: string; readonly negative: boolean };

const parsed = new Map<string, readonly Step[]>();

const isQuote = (char: string): boolean => char === "'" || char === '"';

/** A text without a quote at either end. */
function unquoted(text: string): string {
  const start = isQuote(text.charAt(0)) ? 1 : 0;
  const end = text.length > start && isQuote(text.charAt(text.length - 1)) ? text.length - 1 : text.length;
  return text.slice(start, end);
}

function bracketStep(text: string): Step | undefined {
  if (text === '*') return { kind: 'all' };
  if (isDigits(text.startsWith('-') ? text.slice(1) : text, 6)) return { kind: 'index', index: Number(text) };
  const quote = text.charAt(0);
  if (isQuote(quote) && text.endsWith(quote)) return { kind: 'field', name: text.slice(1, -1) };
  if (!text.startsWith('?(@.') || !text.endsWith(')')) return undefined;
  const body = text.slice(4, -1);
  const equals = body.indexOf('==');
  const differs = body.indexOf('!=');
  const at = equals === -1 ? differs : differs === -1 ? equals : Math.min(equals, differs);
  if (at === -1) return undefined;
  const value = body.slice(at + 2).trim();
  return {
    kind: 'filter',
    path: body.slice(0, at).trim().split('.'),
    value: unquoted(value),
    negative: body.charAt(at) === '!',
  };
}

function parse(path: string): readonly Step[] {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const steps: Step[] = [];
  let index = 0;
  while (index < path.length) {
    const char = path.charAt(index);
    if (char === '[') {
      let end = index + 1;
      let depth = 0;
      while (end < path.length && (path.charAt(end) !== ']' || depth > 0)) {
        if (path.charAt(end) === '(') depth++;
        if (path.charAt(end) === ')') depth--;
        end++;
      }
      const step = bracketStep(path.slice(index + 1, end));
      if (step !== undefined) steps.push(step);
      index = end + 1;
    } else if (char === '.') index++;
    else {
      let end = index;
      let name = '';
      while (end < path.length && path.charAt(end) !== '.' && path.charAt(end) !== '[') {
        if (path.charAt(end) === '\\') end++;
        name += path.charAt(end);
        end++;
      }
      steps.push({ kind: 'field', name });
      index = end;
    }
  }
  if (parsed.size > 2000) parsed.clear();
  parsed.set(path, steps);
  return steps;
}

function follow(values: readonly unknown[], step: Step): unknown[] {
  return values.flatMap((value) => {
    switch (step.kind) {
      case 'field':
        return isObject(value) && value[step.name] !== undefined ? [value[step.name]] : [];
      case 'index':
        return Array.isArray(value) ? [value.at(step.index)].filter((item) => item !== undefined) : [];
      case 'all':
        return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
      default:
        return (Array.isArray(value) ? value : []).filter((item) => {
          const found = follow([item], { kind: 'field', name: step.path[0] ?? '' });
          const rest = step.path
            .slice(1)
            .reduce<unknown[]>((list, name) => follow(list, { kind: 'field', name }), found);
          return (String(rest[0]) === step.value) !== step.negative;
        });
    }
  });
}

/** Every value at a path (`.spec.ports[0].name`, `.status.conditions[?(@.type=="Ready")].status`). */
export const valuesAtPath = (object: unknown, path: string): unknown[] =>
  parse(path).reduce<unknown[]>(follow, [object]);
