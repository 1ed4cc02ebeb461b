// In: pieces of a template. Out: its tree, and the named templates that it defines. Pure. Called by engine.ts.
import { ChartError } from '../errors.ts';
import { lex, type Piece, type Word } from './lex.ts';

/** Something that has a value. */
export type Operand =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'dot'; readonly path: readonly string[] }
  | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'group'; readonly pipeline: Pipeline; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly name: string };

/** A function or a value with arguments. */
export type Call = readonly Operand[];

/** Calls, each result being the last argument of the next. */
export type Pipeline = readonly Call[];

/** One node of a template. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipeline: Pipeline; readonly line: number }
  | {
      readonly kind: 'assign';
      readonly name: string;
      readonly declares: boolean;
      readonly pipeline: Pipeline;
      readonly line: number;
    }
  | {
      readonly kind: 'if' | 'with';
      readonly variable?: string;
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
      readonly line: number;
    }
  | {
      readonly kind: 'range';
      readonly key?: string;
      readonly value?: string;
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
      readonly line: number;
    };

/** A parsed file. */
export interface ParsedTemplate {
  readonly nodes: readonly Node[];
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}

const isMark = (word: Word | undefined, mark: string): boolean => word?.kind === 'mark' && word.mark === mark;
const nameOf = (word: Word | undefined): string | undefined => (word?.kind === 'name' ? word.name : undefined);

/** Reads the words of one action. */
class PipelineReader {
  #at = 0;
  readonly #words: readonly Word[];
  readonly #fail: (why: string) => ChartError;

  constructor(words: readonly Word[], fail: (why: string) => ChartError) {
    this.#words = words;
    this.#fail = fail;
  }

  whole(): Pipeline {
    const pipeline = this.#pipeline();
    if (this.#at < this.#words.length) throw this.#fail('something is left over at the end of the action');
    return pipeline;
  }

  #pipeline(): Pipeline {
    const calls: Call[] = [this.#call()];
    while (isMark(this.#words[this.#at], '|')) {
      this.#at += 1;
      calls.push(this.#call());
    }
    return calls;
  }

  #call(): Call {
    const operands: Operand[] = [];
    for (;;) {
      const word = this.#words[this.#at];
      if (word === undefined || (word.kind === 'mark' && word.mark !== '(')) break;
      this.#at += 1;
      operands.push(this.#operand(word));
    }
    if (operands.length === 0) throw this.#fail('a value is missing');
    return operands;
  }

  #operand(word: Word): Operand {
    if (word.kind === 'literal') return word;
    if (word.kind === 'name') return { kind: 'function', name: word.name };
    if (word.kind === 'field') return { kind: 'dot', path: word.path };
    if (word.kind === 'variable') return word;
    const pipeline = this.#pipeline();
    if (!isMark(this.#words[this.#at], ')')) throw this.#fail('a parenthesis is not closed');
    this.#at += 1;
    const next = this.#words[this.#at];
    if (next?.kind !== 'field' || !next.isGlued || next.path.length === 0) return { kind: 'group', pipeline, path: [] };
    this.#at += 1;
    return { kind: 'group', pipeline, path: next.path };
  }
}

type Ending = { readonly word: 'end' | 'else'; readonly rest: readonly Word[]; readonly line: number } | undefined;

/** Reads the pieces of one file. */
class TemplateReader {
  readonly defined = new Map<string, readonly Node[]>();
  readonly #pieces: readonly Piece[];
  readonly #file: string;
  #at = 0;

  constructor(pieces: readonly Piece[], file: string) {
    this.#pieces = pieces;
    this.#file = file;
  }

  whole(): readonly Node[] {
    const { nodes, ending } = this.#block();
    if (ending !== undefined) throw this.#fail(ending.line)(`"${ending.word}" without a beginning`);
    return nodes;
  }

  #fail(line: number): (why: string) => ChartError {
    return (why) => new ChartError('ERR_CHARTS_TEMPLATE', `${this.#file}:${line}: ${why}`);
  }

  #block(): { readonly nodes: readonly Node[]; readonly ending: Ending } {
    const nodes: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at];
      if (piece === undefined) return { nodes, ending: undefined };
      this.#at += 1;
      if (piece.kind === 'text') nodes.push(piece);
      else {
        const word = nameOf(piece.words[0]);
        if (word === 'end' || word === 'else')
          return { nodes, ending: { word, rest: piece.words.slice(1), line: piece.line } };
        const node = this.#action(piece.words, piece.line);
        if (node !== undefined) nodes.push(node);
      }
    }
  }

  #action(words: readonly Word[], line: number): Node | undefined {
    const fail = this.#fail(line);
    const keyword = nameOf(words[0]);
    if (keyword === 'define') {
      const name = words[1];
      if (name?.kind !== 'literal' || typeof name.value !== 'string') throw fail('define needs a name in quotes');
      const { nodes, ending } = this.#block();
      if (ending?.word !== 'end') throw fail('define is not closed');
      this.defined.set(name.value, nodes);
      return undefined;
    }
    if (keyword === 'if' || keyword === 'with' || keyword === 'range')
      return this.#branch(keyword, words.slice(1), line);
    const [first, second] = words;
    if (first?.kind === 'variable' && first.path.length === 0 && (isMark(second, ':=') || isMark(second, '='))) {
      return {
        kind: 'assign',
        name: first.name,
        declares: isMark(second, ':='),
        pipeline: new PipelineReader(words.slice(2), fail).whole(),
        line,
      };
    }
    return { kind: 'output', pipeline: new PipelineReader(words, fail).whole(), line };
  }

  #branch(keyword: 'if' | 'with' | 'range', words: readonly Word[], line: number): Node {
    const fail = this.#fail(line);
    const assign = words.findIndex((word) => isMark(word, ':='));
    const variables =
      assign < 0 ? [] : words.slice(0, assign).flatMap((word) => (word.kind === 'variable' ? [word.name] : []));
    const pipeline = new PipelineReader(words.slice(assign + 1), fail).whole();
    const { nodes: body, ending } = this.#block();
    if (ending === undefined) throw fail(`${keyword} is not closed`);
    let otherwise: readonly Node[] = [];
    if (ending.word === 'else') {
      const nested = nameOf(ending.rest[0]);
      if (nested === 'if' || nested === 'with') otherwise = [this.#branch(nested, ending.rest.slice(1), ending.line)];
      else {
        const rest = this.#block();
        if (rest.ending?.word !== 'end') throw fail('else is not closed');
        otherwise = rest.nodes;
      }
    }
    const [one, two] = variables;
    if (keyword !== 'range')
      return { kind: keyword, ...(one === undefined ? {} : { variable: one }), pipeline, body, otherwise, line };
    const names = two === undefined ? (one === undefined ? {} : { value: one }) : { key: one ?? '', value: two };
    return { kind: 'range', ...names, pipeline, body, otherwise, line };
  }
}

/** Parses a template file. Throws ERR_CHARTS_TEMPLATE with file and line. */
export function parseTemplate(text: string, file: string): ParsedTemplate {
  const reader = new TemplateReader(lex(text, file), file);
  const nodes = reader.whole();
  return { nodes, defined: reader.defined };
}
