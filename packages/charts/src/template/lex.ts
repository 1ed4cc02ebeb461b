// In: the text of a template. Out: pieces of text and actions, trim markers applied. Pure. Called by parse.ts.
// Source: the Go template language as Helm uses it (https://pkg.go.dev/text/template).
import { ChartError } from '../errors.ts';

/** A piece of a template; `line` is 1-based. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly words: readonly Word[]; readonly line: number };

/** One word of an action. */
export type Word =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  /** An identifier: a function or a keyword. */
  | { readonly kind: 'name'; readonly name: string }
  /** `.a.b`; an empty path is the dot. `isGlued` = written without space after what stands before it, as in `(x).y`. */
  | { readonly kind: 'field'; readonly path: readonly string[]; readonly isGlued: boolean }
  /** `$x.a.b`; the name is empty for `$`. */
  | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'mark'; readonly mark: '(' | ')' | '|' | ':=' | '=' | ',' };

const isSpace = (character: string | undefined): boolean =>
  character === ' ' || character === '\t' || character === '\n' || character === '\r';
const isDigit = (character: string | undefined): boolean =>
  character !== undefined && character >= '0' && character <= '9';
const isNamePart = (character: string | undefined): boolean =>
  character !== undefined &&
  ((character >= 'a' && character <= 'z') ||
    (character >= 'A' && character <= 'Z') ||
    character === '_' ||
    isDigit(character));

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text[start])) start += 1;
  return text.slice(start);
}

/** Reads one action. */
class ActionReader {
  readonly words: Word[] = [];
  readonly #text: string;
  readonly #fail: (why: string) => ChartError;
  #at = 0;

  constructor(text: string, fail: (why: string) => ChartError) {
    this.#text = text;
    this.#fail = fail;
    while (this.#at < text.length) this.#next();
  }

  #name(): string {
    const start = this.#at;
    while (isNamePart(this.#text[this.#at])) this.#at += 1;
    return this.#text.slice(start, this.#at);
  }

  #path(): readonly string[] {
    const path: string[] = [];
    while (this.#text[this.#at] === '.' && isNamePart(this.#text[this.#at + 1])) {
      this.#at += 1;
      path.push(this.#name());
    }
    return path;
  }

  #next(): void {
    const character = this.#text[this.#at];
    if (isSpace(character)) {
      this.#at += 1;
      return;
    }
    if (character === '"' || character === '`') this.words.push(this.#string(character));
    else if (character === '.') this.words.push(this.#field());
    else if (character === '$') {
      this.#at += 1;
      const name = this.#name();
      this.words.push({ kind: 'variable', name, path: this.#path() });
    } else if (isDigit(character) || (character === '-' && isDigit(this.#text[this.#at + 1])))
      this.words.push(this.#number());
    else if (isNamePart(character)) this.words.push(wordOfName(this.#name()));
    else this.words.push(this.#mark());
  }

  #field(): Word {
    const before = this.#text[this.#at - 1];
    const isGlued = before === ')';
    const path = this.#path();
    if (path.length === 0) this.#at += 1;
    return { kind: 'field', path, isGlued };
  }

  #string(quote: '"' | '`'): Word {
    const start = this.#at;
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote) {
      this.#at += quote === '"' && this.#text[this.#at] === '\\' ? 2 : 1;
    }
    if (this.#at >= this.#text.length) throw this.#fail('a string is not closed');
    this.#at += 1;
    const raw = this.#text.slice(start, this.#at);
    return { kind: 'literal', value: quote === '"' ? (JSON.parse(raw) as string) : raw.slice(1, -1) };
  }

  #number(): Word {
    const start = this.#at;
    this.#at += 1;
    while (isDigit(this.#text[this.#at]) || this.#text[this.#at] === '.') this.#at += 1;
    return { kind: 'literal', value: Number(this.#text.slice(start, this.#at)) };
  }

  #mark(): Word {
    const two = this.#text.slice(this.#at, this.#at + 2);
    if (two === ':=') {
      this.#at += 2;
      return { kind: 'mark', mark: ':=' };
    }
    const one = this.#text[this.#at];
    if (one !== '(' && one !== ')' && one !== '|' && one !== '=' && one !== ',')
      throw this.#fail(`unexpected "${one ?? ''}"`);
    this.#at += 1;
    return { kind: 'mark', mark: one };
  }
}

function wordOfName(name: string): Word {
  if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' };
  if (name === 'nil') return { kind: 'literal', value: null };
  return { kind: 'name', name };
}

/** Position after the action that begins at `from`: strings may hold braces. */
function endOfAction(text: string, from: number): number {
  let quote: string | undefined;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (quote !== undefined) {
      if (character === '\\' && quote === '"') at += 1;
      else if (character === quote) quote = undefined;
    } else if (character === '"' || character === '`') quote = character;
    else if (character === '}' && text[at + 1] === '}') return at;
  }
  return -1;
}

/** Splits a template. `file` is for messages. Throws ERR_CHARTS_TEMPLATE. */
export function lex(text: string, file: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  for (;;) {
    const open = text.indexOf('{{', at);
    let plain = text.slice(at, open < 0 ? undefined : open);
    if (trimNext) plain = trimStart(plain);
    if (open < 0) {
      if (plain !== '') pieces.push({ kind: 'text', text: plain });
      return pieces;
    }
    const line = text.slice(0, open).split('\n').length;
    const fail = (why: string): ChartError => new ChartError('ERR_CHARTS_TEMPLATE', `${file}:${line}: ${why}`);
    const isTrimmedLeft = text[open + 2] === '-' && isSpace(text[open + 3]);
    const start = open + (isTrimmedLeft ? 3 : 2);
    const isComment = trimStart(text.slice(start, start + 40)).startsWith('/*');
    const close = isComment ? text.indexOf('}}', text.indexOf('*/', start)) : endOfAction(text, start);
    if (close < 0) throw fail('an action is not closed');
    const isTrimmedRight = text[close - 1] === '-' && isSpace(text[close - 2] ?? ' ');
    const isCommentTrimmed = isComment && text[close - 1] === '-';
    if (isTrimmedLeft) plain = trimEnd(plain);
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    trimNext = isTrimmedRight || isCommentTrimmed;
    if (!isComment)
      pieces.push({
        kind: 'action',
        words: new ActionReader(text.slice(start, trimNext ? close - 1 : close), fail).words,
        line,
      });
    at = close + 2;
  }
}
