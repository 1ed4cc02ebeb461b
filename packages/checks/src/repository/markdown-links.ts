// In: the text of a Markdown file. Out: the files it links to, relative to it. Pure. Called by documents.test.ts.

/** Targets of inline links, without fragments; addresses of the web and links inside code blocks are left out. */
export function linkedFiles(markdown: string): readonly string[] {
  let isCode = false;
  return markdown.split('\n').flatMap((line) => {
    if (line.trimStart().startsWith('```')) isCode = !isCode;
    if (isCode) return [];
    return [...line.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => (match[1] ?? '').split('#')[0] ?? '')
      .filter((target) => target !== '' && !target.includes('://') && !target.startsWith('mailto:'));
  });
}
