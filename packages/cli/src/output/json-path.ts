// In: a template as kubectl's `-o jsonpath=` takes it, and a value. Out: text. Pure. Called by print-listing.ts.
// Supported: {.a.b}, {.a[0]}, {.a[*].b}, {['a']}, text around braces and {"\n"} literals; filters are refused by name.
import { CliError } from '../errors.ts';

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly at: number }
  | { readonly kind: 'all' };

const refuse = (template: string, why: string): CliError =>
  new CliError('ERR_CLI_INVALID', `jsonpath ${JSON.stringify(template)} cannot be used: ${why}`, {
    hint: "for example -o jsonpath='{.items[*].name}'",
  });

function bracketStep(inside: string, template: string): Step {
  if (inside === '*') return { kind: 'all' };
  const quote = inside[0];
  if ((quote === "'" || quote === '"') && inside.at(-1) === quote) return { kind: 'field', name: inside.slice(1, -1) };
  const at = Number(inside);
  if (!Number.isInteger(at)) throw refuse(template, `[${inside}] is neither an index nor *`);
  return { kind: 'index', at };
}

function stepsOf(path: string, template: string): readonly Step[] {
  const steps: Step[] = [];
  let at = path.startsWith('$') ? 1 : 0;
  while (at < path.length) {
    if (path[at] === '[') {
      const end = path.indexOf(']', at);
      if (end < 0) throw refuse(template, 'a bracket is not closed');
      steps.push(bracketStep(path.slice(at + 1, end), template));
      at = end + 1;
    } else if (path[at] === '.') {
      let end = at + 1;
      while (end < path.length && path[end] !== '.' && path[end] !== '[') end += path[end] === '\\' ? 2 : 1;
      const name = path.slice(at + 1, end).replaceAll('\\.', '.');
      if (name === '*') steps.push({ kind: 'all' });
      else if (name !== '') steps.push({ kind: 'field', name });
      at = end;
    } else throw refuse(template, `a path begins with a dot, not with ${JSON.stringify(path[at])}`);
  }
  return steps;
}

function walk(values: readonly unknown[], step: Step): readonly unknown[] {
  return values.flatMap((value): readonly unknown[] => {
    if (typeof value !== 'object' || value === null) return [];
    if (step.kind === 'all') return Array.isArray(value) ? (value as unknown[]) : Object.values(value);
    const key = step.kind === 'field' ? step.name : step.at;
    if (Array.isArray(value) && typeof key === 'number')
      return value.at(key) === undefined ? [] : [value.at(key) as unknown];
    return Object.hasOwn(value, key) ? [(value as Record<string | number, unknown>)[key]] : [];
  });
}

const show = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);

/** kubectl's templates begin with `.items`: a list that is printed as a bare array is taken as such. */
function stepsInto(value: unknown, steps: readonly Step[]): readonly Step[] {
  const [first, ...rest] = steps;
  return Array.isArray(value) && first?.kind === 'field' && first.name === 'items' ? rest : steps;
}

/** Fills in a template; several values are separated by a space. Throws ERR_CLI_INVALID. */
export function jsonPath(template: string, value: unknown): string {
  const whole = template.includes('{') ? template : `{${template.startsWith('.') ? '' : '.'}${template}}`;
  let output = '';
  let at = 0;
  while (at < whole.length) {
    const open = whole.indexOf('{', at);
    if (open < 0) return output + whole.slice(at);
    const close = whole.indexOf('}', open);
    if (close < 0) throw refuse(template, 'a brace is not closed');
    const inside = whole.slice(open + 1, close).trim();
    output += whole.slice(at, open);
    if (inside.startsWith('"')) output += JSON.parse(inside) as string;
    else {
      const steps = stepsInto(value, stepsOf(inside, template));
      output += steps.reduce<readonly unknown[]>(walk, [value]).map(show).join(' ');
    }
    at = close + 1;
  }
  return output;
}
