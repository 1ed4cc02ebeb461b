// In: the `exports` of a manifest. Out: what is wrong with them. Pure apart from what it is given. Called by manifest.test.ts.

/** Entries whose source is missing or whose built name does not follow from the source; plain paths must exist. */
export function exportProblems(exported: unknown, exists: (path: string) => boolean): readonly string[] {
  return Object.entries(exported as Readonly<Record<string, unknown>>).flatMap(([entry, target]) => {
    if (typeof target === 'string') return exists(target) ? [] : [`${entry}: no file ${target}`];
    const { '@ambit/source': source, default: built } = target as { '@ambit/source'?: string; default?: string };
    if (source === undefined || built === undefined) return [`${entry}: needs "@ambit/source" and "default"`];
    const expected = source.replace('./', './dist/').replace('.ts', '.js');
    return [
      ...(exists(source) ? [] : [`${entry}: no file ${source}`]),
      ...(built === expected ? [] : [`${entry}: ${source} is built to ${expected}, not ${built}`]),
    ];
  });
}
