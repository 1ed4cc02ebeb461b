/**
 * Many rules, few that can fit: rules by the literal that a path has to begin with. In: entries in their order, each with its
 * literal or none. Out: for a path, the entries that may fit, in that same order. Pure; built once per route table.
 */

/** Finds the entries whose literal a path begins with, and those without a literal, in order. */
export type PathIndex<T> = (path: string) => readonly T[];

/** Below this many entries a walk over all of them is as fast. */
const minEntries = 12;

/** Builds the index. `literalOf` gives undefined for an entry that any path may fit. */
export const indexByPath = <T>(entries: readonly T[], literalOf: (entry: T) => string | undefined): PathIndex<T> => {
  if (entries.length < minEntries) return () => entries;
  const anywhere: number[] = [];
  const byLiteral = new Map<string, number[]>();
  for (const [position, entry] of entries.entries()) {
    const literal = literalOf(entry);
    if (literal === undefined || literal === '') anywhere.push(position);
    else {
      const known = byLiteral.get(literal);
      if (known === undefined) byLiteral.set(literal, [position]);
      else known.push(position);
    }
  }
  const always = anywhere.map((position) => entries[position] as T);
  const lengths = [...new Set([...byLiteral.keys()].map(({ length }) => length))].sort((one, two) => one - two);
  return (path) => {
    let positions: readonly number[] = anywhere;
    for (const length of lengths) {
      if (length > path.length) break;
      const found = byLiteral.get(path.slice(0, length));
      if (found !== undefined) positions = positions.length === 0 ? found : [...positions, ...found];
    }
    if (positions === anywhere) return always;
    return positions.toSorted((one, two) => one - two).map((position) => entries[position] as T);
  };
};
