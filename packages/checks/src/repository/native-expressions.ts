// In: the text of a source file. Out: the lines on which a native regular expression stands. Pure; a search for the ways in
// which one is used, not a parser. Called by source-rules.test.ts.

const used = /\/[dgimsuvy]*\.(?:test|exec)\(|\.(?:match|matchAll|replace|replaceAll|search|split)\(\s*\/|\bRegExp\(/;

/** Line numbers, from 1; comments are left out. */
export function nativeExpressions(source: string): readonly number[] {
  return source.split('\n').flatMap((line, index) => (used.test(withoutComment(line)) ? [index + 1] : []));
}

function withoutComment(line: string): string {
  const text = line.trimStart();
  if (text.startsWith('*') || text.startsWith('/*')) return '';
  const at = text.startsWith('//') ? 0 : text.indexOf(' // ');
  return at === -1 ? text : text.slice(0, at);
}
