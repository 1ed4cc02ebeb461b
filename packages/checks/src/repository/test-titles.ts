// In: the text of a test file. Out: the titles of its tests as they stand in the source. Pure. Called by checklist.test.ts.

const quotes = new Set(["'", '"', '`']);

/** The text between a quote at `start` and its partner; undefined where there is no quote or no partner. */
function quotedAt(source: string, start: number): string | undefined {
  const quote = source[start];
  if (quote === undefined || !quotes.has(quote)) return undefined;
  let text = '';
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at];
    if (character === quote) return text;
    if (character === '\\') at += 1;
    text += source[at];
  }
  return undefined;
}

/** Titles of `test(...)` and `t.test(...)`, templates with their placeholders. */
export function testTitles(source: string): ReadonlySet<string> {
  const titles = new Set<string>();
  for (let at = source.indexOf('test('); at !== -1; at = source.indexOf('test(', at + 1)) {
    let start = at + 'test('.length;
    while (source[start] === ' ' || source[start] === '\n') start += 1;
    const title = quotedAt(source, start);
    if (title !== undefined) titles.add(title);
  }
  return titles;
}
