// In: the text of a source file. Out: the lines on which a function is written straight into a property. Pure; a search for the form,
// not a parser. Called by source-rules.test.ts for the data path.
// Why: V8 takes `peer.onClose = () => ...` for a method of a long-lived object and allocates the function in the old generation, so that
// the next collection of the young one keeps everything the function can reach: a whole request, or a whole connection.

const written =
  /^\s*(?:\w+ \(.*\) )?[\w$.#()]+(?:\.#?\w+|\[[^\]]+\])\s(?:\?\?|\|\|)?=\s(?:async\s)?(?:function\b|(?:\([^()]*(?:\([^()]*\)[^()]*)*\)(?::\s[^=]+)?|\w+)\s=>)/;

/** Line numbers, from 1. */
export function closuresInProperties(source: string): readonly number[] {
  return source.split('\n').flatMap((line, index) => (written.test(line) ? [index + 1] : []));
}
