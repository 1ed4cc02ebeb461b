// In: the text of a source file. Out: the closed unions of error codes it declares, each code with its sentence. Pure.
// Called by errors-page.ts and its test.

/** One code of a union; `sentence` is empty when the source says nothing about it. */
export interface ErrorCode {
  readonly code: string;
  readonly sentence: string;
}

/** One `export type …Code = …` of string literals that begin with `ERR_`, in the order of the source. */
export interface ErrorCodeUnion {
  readonly typeName: string;
  readonly codes: readonly ErrorCode[];
}

const declaration = /^export type (\w+Code) =/gm;
const member = /(?:\/\*\*([\s\S]*?)\*\/\s*)?\|?\s*'(ERR_[A-Z0-9_]+)'/g;

/** The unions of error codes of a source; the sentence of a code is the doc comment before it. */
export function errorCodeUnions(source: string): readonly ErrorCodeUnion[] {
  return [...source.matchAll(declaration)].flatMap((match) => {
    const start = match.index + match[0].length;
    const body = source.slice(start, endOfType(source, start));
    const codes = [...body.matchAll(member)].map((found) => ({
      code: found[2] ?? '',
      sentence: sentenceOf(found[1] ?? ''),
    }));
    return codes.length === 0 ? [] : [{ typeName: match[1] ?? '', codes }];
  });
}

/** Every code that a source mentions as a literal. */
export function mentionedCodes(source: string): readonly string[] {
  return [...source.matchAll(/'(ERR_[A-Z0-9_]+)'/g)].map((match) => match[1] ?? '');
}

/** Index of the `;` that ends the type, not one inside a comment. */
function endOfType(source: string, start: number): number {
  let at = start;
  while (at < source.length && source[at] !== ';') {
    const isComment = source.startsWith('/*', at);
    const end = isComment ? source.indexOf('*/', at) : at;
    at = end === -1 ? source.length : end + (isComment ? 2 : 1);
  }
  return at;
}

/** The text of a doc comment on one line. */
function sentenceOf(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.trim().replace(/^\*\s?/, ''))
    .join(' ')
    .trim();
}
