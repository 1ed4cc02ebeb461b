// In: the text of a source file. Out: exported names without a doc comment before them. Pure. Called by source-rules.test.ts.

const declaration =
  /^export (?:default )?(?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type) (\w+)/;

/**
 * Names in the order of the source. One comment serves all overloads of a function, and a run of one-line constants
 * without a blank line between them: a table of numbers has one subject.
 */
export function undocumentedExports(source: string): readonly string[] {
  const lines = source.split('\n');
  const documented = new Set<string>();
  return lines.flatMap((line, index) => {
    const name = declaration.exec(line)?.[1];
    if (name === undefined) return [];
    if (hasComment(lines, index) || documented.has(name)) {
      documented.add(name);
      return [];
    }
    return [name];
  });
}

/** Whether a doc comment ends right above the line, or above the run of constants that it continues. */
function hasComment(lines: readonly string[], index: number): boolean {
  let above = index - 1;
  const isConstant = (text: string | undefined): boolean =>
    text?.startsWith('export const ') === true && text.endsWith(';');
  if (isConstant(lines[index])) while (isConstant(lines[above])) above -= 1;
  return lines[above]?.trimEnd().endsWith('*/') === true;
}
