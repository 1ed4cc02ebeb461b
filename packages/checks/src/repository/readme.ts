// In: the text of a README. Out: its headings and its runnable examples. Pure. Called by the README tests.

/** Headings that every package README has, in this order. */
export const requiredHeadings = [
  '## What it is',
  '## Who imports it',
  '## Example',
  '## Promises',
  '## Limits',
  '## Metrics and errors',
] as const;

/** Headings that are missing or out of order. */
export function missingHeadings(markdown: string): readonly string[] {
  const lines = markdown.split('\n').map((line) => line.trimEnd());
  let from = 0;
  return requiredHeadings.filter((heading) => {
    const at = lines.indexOf(heading, from);
    if (at === -1) return true;
    from = at + 1;
    return false;
  });
}

/** The code blocks marked `ts`, in order. */
export function examplesOf(markdown: string): readonly string[] {
  const examples: string[] = [];
  let open: string[] | undefined;
  for (const line of markdown.split('\n')) {
    if (open === undefined) {
      if (line.trimEnd() === '```ts') open = [];
    } else if (line.trimEnd() === '```') {
      examples.push(open.join('\n'));
      open = undefined;
    } else open.push(line);
  }
  return examples;
}
