/**
 * Query parameters without decoding, as Envoy sees them: case-sensitive names, the first value counts.
 * In: the text after `?`. Out: a value or undefined. Data thread.
 */

/** First raw value of `name` in a query string; `''` for a name without `=`. */
export const queryParameter = (query: string | undefined, name: string): string | undefined => {
  if (query === undefined) return undefined;
  let start = 0;
  while (start <= query.length) {
    let end = query.indexOf('&', start);
    if (end === -1) end = query.length;
    let equals = query.indexOf('=', start);
    if (equals === -1 || equals > end) equals = end;
    if (equals - start === name.length && query.startsWith(name, start))
      return query.slice(Math.min(equals + 1, end), end);
    start = end + 1;
  }
  return undefined;
};
