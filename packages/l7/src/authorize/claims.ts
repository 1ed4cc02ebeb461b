/**
 * Look-up in a verified token payload. In: the payload and a path of keys. Out: the texts found there.
 * Called by route matches and policy conditions; data thread.
 */

/** Values at a claim path as texts: one for a scalar, one per element of a list, none when absent. */
export const claimValues = (claims: unknown, path: readonly string[]): string[] => {
  let current: unknown = claims;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || Array.isArray(current)) return [];
    if (!Object.hasOwn(current, key)) return [];
    current = (current as Record<string, unknown>)[key];
  }
  return (Array.isArray(current) ? current : [current]).flatMap(textOf);
};

const textOf = (value: unknown): string[] => {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number' || typeof value === 'boolean') return [String(value)];
  return [];
};
