/**
 * Label selectors: text or object form -> a test (spec/local-cluster.md 4.2). Hand-written parser, linear in the text.
 * Called by list, watch and controllers. Pure.
 */

import { matchesExpression } from '@ambit/resources/label-selector';
import { isObject, listAt } from '../json.ts';
import { badRequest } from '../status.ts';
import { labelKeyProblem, labelValueProblem } from '../write/names.ts';

/** Labels of an object; undefined when it has none. */
export type Labels = Readonly<Record<string, string>> | undefined;
/** True when the labels fit. */
export type LabelTest = (labels: Labels) => boolean;

/** Longest selector text that is parsed. */
const maxLength = 64 * 1024;

const special = new Set(['(', ')', ',', '!', '=', '<', '>']);

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
      index++;
      continue;
    }
    const pair = text.slice(index, index + 2);
    if (pair === '==' || pair === '!=') {
      tokens.push(pair);
      index += 2;
      continue;
    }
    if (special.has(char)) {
      tokens.push(char);
      index++;
      continue;
    }
    let end = index;
    while (end < text.length && !special.has(text.charAt(end)) && !' \t\n\r'.includes(text.charAt(end))) end++;
    tokens.push(text.slice(index, end));
    index = end;
  }
  return tokens;
}

const fail = (message: string): Error => badRequest(`unable to parse requirement: ${message}`);

class Parser {
  readonly #tokens: readonly string[];
  #place = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  peek(): string | undefined {
    return this.#tokens[this.#place];
  }

  next(): string | undefined {
    return this.#tokens[this.#place++];
  }

  key(token: string | undefined): string {
    if (token === undefined || special.has(token) || token === '==' || token === '!=') {
      throw badRequest(`found '${token ?? ''}', expected: !, identifier, or 'end of string'`);
    }
    const problem = labelKeyProblem(token);
    if (problem !== undefined) throw fail(`<nil>: Invalid value: "${token}": ${problem}`);
    return token;
  }

  value(): string {
    const token = this.peek();
    if (token === undefined || token === ',') return '';
    if (special.has(token)) throw badRequest(`unable to parse requirement: found '${token}', expected: identifier`);
    this.next();
    const problem = labelValueProblem(token);
    if (problem !== undefined) throw fail(`values[0][]: Invalid value: "${token}": ${problem}`);
    return token;
  }

  list(): string[] {
    const open = this.next();
    if (open !== '(') throw badRequest(`unable to parse requirement: found '${open ?? ''}' expected: '('`);
    const values: string[] = [];
    for (;;) {
      const token = this.next();
      if (token === ')') return values.length === 0 ? [''] : values;
      if (token === undefined) throw badRequest("unable to parse requirement: found '', expected: ',' or ')'");
      if (token === ',') {
        if (this.peek() === ')' || this.peek() === ',') values.push('');
      } else values.push(token);
    }
  }

  requirement(): LabelTest {
    if (this.peek() === '!') {
      this.next();
      const key = this.key(this.next());
      return (labels) => labels?.[key] === undefined;
    }
    const key = this.key(this.next());
    const operator = this.peek();
    if (operator === undefined || operator === ',') return (labels) => labels?.[key] !== undefined;
    this.next();
    return this.operation(key, operator);
  }

  operation(key: string, operator: string): LabelTest {
    switch (operator) {
      case '=':
      case '==': {
        const value = this.value();
        return (labels) => labels?.[key] === value;
      }
      case '!=': {
        const value = this.value();
        return (labels) => labels?.[key] !== value;
      }
      case 'in':
      case 'notin': {
        const values = new Set(this.list());
        const wanted = operator === 'in';
        return (labels) => {
          const value = labels?.[key];
          return value === undefined ? !wanted : values.has(value) === wanted;
        };
      }
      case '<':
      case '>': {
        const value = this.value();
        const bound = Number(value);
        if (value === '' || !Number.isInteger(bound))
          throw fail(
            `values[0][${key}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        return (labels) => {
          const found = Number(labels?.[key] ?? Number.NaN);
          return operator === '<' ? found < bound : found > bound;
        };
      }
      default:
        throw badRequest(`unable to parse requirement: found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }
}

/** Parses `app=a,tier in (x,y),!z`; throws 400. An empty text matches everything. */
export function parseLabelSelector(text: string): LabelTest {
  if (text.length > maxLength) throw badRequest('unable to parse requirement: selector is too long');
  const parser = new Parser(text);
  const tests: LabelTest[] = [];
  while (parser.peek() !== undefined) {
    tests.push(parser.requirement());
    const separator = parser.next();
    if (separator !== undefined && separator !== ',') {
      throw badRequest(`unable to parse requirement: found '${separator}', expected: ',' or 'end of string'`);
    }
    if (separator === ',' && parser.peek() === undefined) {
      throw badRequest("found '', expected: identifier after ','");
    }
  }
  return (labels) => tests.every((test) => test(labels));
}

/** The test of a `LabelSelector` object (matchLabels, matchExpressions); undefined selects nothing, {} everything. */
export function labelSelectorOf(selector: unknown): LabelTest {
  if (!isObject(selector)) return () => false;
  const wanted = Object.entries(isObject(selector['matchLabels']) ? selector['matchLabels'] : {});
  const expressions = listAt(selector, 'matchExpressions').filter(isObject);
  return (labels) =>
    wanted.every(([key, value]) => labels?.[key] === value) &&
    expressions.every((expression) =>
      matchesExpression(
        {
          key: String(expression['key']),
          operator: String(expression['operator']),
          values: listAt(expression, 'values'),
        },
        labels ?? {},
      ),
    );
}
