// In: a header and rows. Out: aligned text as kubectl prints it. Pure. Called by print-listing.ts and commands with a table of their own.

/** How a table is shown. */
export interface TableOptions {
  /** Leave the header out. */
  readonly noHeaders?: boolean;
  /** Longest line in characters; the longest column loses the middle of its cells. Only given on a terminal (CLI-4). */
  readonly maxWidth?: number;
}

const gutter = 2;
/** A column is never made narrower than this. */
const narrowest = 12;

function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const kept = width - 1;
  const front = Math.ceil(kept / 2);
  return `${text.slice(0, front)}…${text.slice(text.length - (kept - front))}`;
}

/** Aligns columns with two spaces between them; empty cells show as `-`. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const lines = options.noHeaders === true ? rows : [header, ...rows];
  const cells = lines.map((row) => header.map((_, column) => (row[column] ?? '') || '-'));
  const widths = header.map((_, column) => Math.max(0, ...cells.map((row) => (row[column] ?? '').length)));
  const total = widths.reduce((sum, width) => sum + width + gutter, -gutter);
  const excess = options.maxWidth === undefined ? 0 : total - options.maxWidth;
  if (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = Math.max(narrowest, (widths[widest] ?? 0) - excess);
  }
  return cells
    .map((row) =>
      row
        .map((cell, column) => shorten(cell, widths[column] ?? 0).padEnd((widths[column] ?? 0) + gutter))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}
