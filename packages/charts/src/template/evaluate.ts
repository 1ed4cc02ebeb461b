// In: the tree of a template, named templates, and data. Out: text. Pure. Called by render.ts.
import { ChartError } from '../errors.ts';
import { functions, type TemplateFunction } from './functions.ts';
import type { Call, Node, Operand, Pipeline } from './parse.ts';
import { isDictionary, isEmpty, textOf } from './values.ts';

/** Deepest nesting of `include`. */
const MAX_DEPTH = 100;

interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
  readonly parent: Scope | undefined;
}

const child = (parent: Scope, dot: unknown): Scope => ({ dot, variables: new Map(), parent });

/** Runs templates that know each other by name. */
export class Evaluator {
  readonly #named: ReadonlyMap<string, readonly Node[]>;
  readonly #file: string;
  readonly #root: unknown;
  readonly #kept: Map<string, string>;
  #depth = 0;

  /** `kept` may be shared by the files of a chart that are run with the same `root`. */
  constructor(
    named: ReadonlyMap<string, readonly Node[]>,
    file: string,
    root?: unknown,
    kept = new Map<string, string>(),
  ) {
    this.#named = named;
    this.#file = file;
    this.#root = root;
    this.#kept = kept;
  }

  /** Text of the nodes with `data` as the dot and as `$`. Throws ERR_CHARTS_TEMPLATE and ERR_CHARTS_REFUSED. */
  run(nodes: readonly Node[], data: unknown): string {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH)
      throw new ChartError('ERR_CHARTS_TEMPLATE', `${this.#file}: templates include each other without end`);
    try {
      return this.#nodes(nodes, { dot: data, variables: new Map([['', data]]), parent: undefined });
    } finally {
      this.#depth -= 1;
    }
  }

  #nodes(nodes: readonly Node[], scope: Scope): string {
    let output = '';
    for (const node of nodes) output += node.kind === 'text' ? node.text : this.#at(node, scope);
    return output;
  }

  #at(node: Exclude<Node, { kind: 'text' }>, scope: Scope): string {
    try {
      return this.#node(node, scope);
    } catch (error) {
      if (error instanceof ChartError) throw error;
      throw new ChartError(
        'ERR_CHARTS_TEMPLATE',
        `${this.#file}:${node.line}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  }

  #node(node: Exclude<Node, { kind: 'text' }>, scope: Scope): string {
    if (node.kind === 'output') return textOf(this.#pipeline(node.pipeline, scope));
    if (node.kind === 'assign') {
      const value = this.#pipeline(node.pipeline, scope);
      if (node.declares) scope.variables.set(node.name, value);
      else this.#owner(node.name, scope).variables.set(node.name, value);
      return '';
    }
    const value = this.#pipeline(node.pipeline, scope);
    if (node.kind === 'range') return this.#range(node, value, scope);
    const inner = child(scope, node.kind === 'with' && !isEmpty(value) ? value : scope.dot);
    if (node.variable !== undefined) inner.variables.set(node.variable, value);
    return this.#nodes(isEmpty(value) ? node.otherwise : node.body, inner);
  }

  #range(node: Extract<Node, { kind: 'range' }>, value: unknown, scope: Scope): string {
    if (isEmpty(value)) return this.#nodes(node.otherwise, child(scope, scope.dot));
    const entries: readonly (readonly [unknown, unknown])[] = Array.isArray(value)
      ? (value as unknown[]).map((item, at) => [at, item] as const)
      : isDictionary(value)
        ? Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
        : [];
    let output = '';
    for (const [key, item] of entries) {
      const inner = child(scope, item);
      if (node.key !== undefined) inner.variables.set(node.key, key);
      if (node.value !== undefined) inner.variables.set(node.value, item);
      output += this.#nodes(node.body, inner);
    }
    return output;
  }

  #owner(name: string, scope: Scope): Scope {
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) if (at.variables.has(name)) return at;
    throw new Error(`variable $${name} does not exist`);
  }

  #pipeline(pipeline: Pipeline, scope: Scope): unknown {
    let piped: readonly unknown[] = [];
    for (const call of pipeline) piped = [this.#call(call, piped, scope)];
    return piped[0];
  }

  #call(call: Call, piped: readonly unknown[], scope: Scope): unknown {
    const [head, ...operands] = call;
    if (head === undefined) return undefined;
    const values = (): readonly unknown[] => [...operands.map((operand) => this.#value(operand, scope)), ...piped];
    if (head.kind === 'function') return this.#function(head.name)(...values());
    const value = this.#value(head, scope);
    if (typeof value === 'function') return (value as TemplateFunction)(...values());
    if (operands.length + piped.length > 0) throw new Error('something that is no function was given arguments');
    return value;
  }

  #function(name: string): TemplateFunction {
    if (name === 'include') {
      return (template, data) => this.#include(textOf(template), data);
    }
    const found = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (found === undefined) throw new Error(`function "${name}" does not exist`);
    return found;
  }

  /** Templates are functions of their data; with the data of the whole run the answer is kept. */
  #include(name: string, data: unknown): string {
    const nodes = this.#named.get(name);
    if (nodes === undefined) throw new Error(`template "${name}" does not exist`);
    if (data !== this.#root) return this.run(nodes, data);
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const text = this.run(nodes, data);
    this.#kept.set(name, text);
    return text;
  }

  #value(operand: Operand, scope: Scope): unknown {
    switch (operand.kind) {
      case 'literal':
        return operand.value;
      case 'dot':
        return walk(scope.dot, operand.path);
      case 'variable':
        return walk(this.#owner(operand.name, scope).variables.get(operand.name), operand.path);
      case 'group':
        // `(x).y` is how templates ask for a member of what may not be there.
        return walk(this.#pipeline(operand.pipeline, scope) ?? {}, operand.path);
      case 'function':
        return this.#function(operand.name)();
    }
  }
}

/** Members of maps; a member of nothing is nothing, as in Helm. */
function walk(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => {
    if (inner === undefined || inner === null) throw new Error(`nil has no member "${name}"`);
    if (!isDictionary(inner)) throw new Error(`there is no member "${name}" in ${JSON.stringify(inner)}`);
    return inner[name];
  }, value);
}
