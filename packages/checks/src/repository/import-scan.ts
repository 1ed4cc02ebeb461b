// In: the text of a source file. Out: the module names it imports. Pure. Called by the repository tests.

/** Module specifiers of static imports, re-exports and literal dynamic imports, in order. */
export function importedModules(source: string): readonly string[] {
  const found: string[] = [];
  for (const marker of [' from ', 'import(', 'import ']) {
    let at = source.indexOf(marker);
    while (at !== -1) {
      const start = at + marker.length;
      const quote = source[start];
      if (quote === "'" || quote === '"') {
        const end = source.indexOf(quote, start + 1);
        if (end > start) found.push(source.slice(start + 1, end));
      }
      at = source.indexOf(marker, start);
    }
  }
  return found;
}

/** The package of ours that a specifier names, without the scope; undefined for everything else. */
export function ownPackage(specifier: string): string | undefined {
  if (!specifier.startsWith('@ambit/')) return undefined;
  return specifier.split('/')[1];
}
