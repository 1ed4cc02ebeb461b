// One YAML text -> its documents with their first lines, cut as Kubernetes tools cut them: at lines that are `---`. Called by
// files.ts. Pure.

/** One document of a file. */
export interface SourceDocument {
  /** Without surrounding white space; never empty. */
  readonly text: string;
  /** Line of its first content, from 1. Lines inside the document are counted from here. */
  readonly line: number;
  /** Position among the pieces of the file, empty ones included. */
  readonly index: number;
}

const SEPARATOR = '---';
/** A line that separates and says nothing else. */
const isSeparator = (line: string): boolean => line.startsWith(SEPARATOR) && line.slice(SEPARATOR.length).trim() === '';

/** Cuts a text into documents; pieces without content are left out but counted. */
export function documentsOf(text: string): SourceDocument[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  const documents: SourceDocument[] = [];
  let index = 0;
  let buffer: string[] = [];
  let start: number | undefined;
  const close = (): void => {
    const chunk = buffer.join('\n').trim();
    if (chunk !== '') documents.push({ text: chunk, line: start ?? 1, index });
    index++;
    buffer = [];
    start = undefined;
  };
  for (const [at, line] of lines.entries()) {
    if (start === undefined && line !== '' && line !== SEPARATOR) start = at + 1;
    // A separator before any content becomes part of the document, and so counts in its lines.
    if (isSeparator(line) && buffer.length > 0) close();
    else buffer.push(line);
  }
  if (buffer.length > 0) close();
  return documents;
}
