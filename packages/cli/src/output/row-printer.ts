// Tables whose rows come one at a time. Called by commands that watch.

/** Aligns each row with those before; `widths` to begin with, a longer cell makes its column wider for the rest. */
export function rowPrinter(firstWidths: readonly number[]): (cells: readonly string[]) => string {
  const widths = [...firstWidths];
  return (cells) => {
    for (const [index, cell] of cells.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
    return cells
      .map((cell, index) => (cell || '-').padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  };
}
