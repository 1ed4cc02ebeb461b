// Header names that stand for claims of a verified token: `@request.auth.claims.group`, `@request.auth.claims[group]`. Pure.

const PREFIX = '@request.auth.claims';

/** True for a name that routes by a claim. */
export function isRoutingClaim(name: string): boolean {
  if (!name.toLowerCase().startsWith(PREFIX)) return false;
  const rest = name.slice(PREFIX.length);
  return (rest.startsWith('.') && rest.length > 1) || (rest.startsWith('[') && rest.endsWith(']') && rest.length > 2);
}
