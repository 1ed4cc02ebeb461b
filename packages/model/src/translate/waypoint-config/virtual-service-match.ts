// One match of a VirtualService's HTTP rule -> HttpMatch (spec waypoint 3.2, 3.7). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HttpMatchSchema, KeyMatchSchema, StringMatchSchema } from '@ambit/proto/waypoint';
import type { VirtualServiceHttpMatch, VirtualServiceTextMatch } from '@ambit/resources';

type Init<T> = Exclude<T, { $typeName: string }>;
type TextMatch = Init<MessageInitShape<typeof StringMatchSchema>>;
type KeyMatch = Init<MessageInitShape<typeof KeyMatchSchema>>;

const CLAIMS = '@request.auth.claims';
/** Separates the steps of a claim's path on the wire. */
const UNIT_SEPARATOR = '\u001F';
/** Header keys that have fields of their own. */
const RESERVED = new Set(['uri', 'scheme', 'method', 'authority']);

/** The match at a frontend port; undefined when it can never hold there. */
export function matchOf(
  match: VirtualServiceHttpMatch,
  port: number,
): Init<MessageInitShape<typeof HttpMatchSchema>> | undefined {
  if (match.port !== undefined && match.port !== 0 && match.port !== port) return undefined;
  if ((match.gateways ?? []).length > 0 && !match.gateways?.includes('mesh')) return undefined;
  // Labels of clients are known to nobody in ambient mode: a rule that asks for them never holds.
  if (Object.keys(match.sourceLabels ?? {}).length > 0) return undefined;
  const positive = Object.entries(match.headers ?? {}).filter(([name]) => !RESERVED.has(name));
  const negative = Object.entries(match.withoutHeaders ?? {});
  const isClaim = ([name]: [string, unknown]): boolean => name.startsWith(CLAIMS);
  return {
    ...(match.uri && { path: textMatch(match.uri) }),
    // Regular expressions say themselves whether case counts.
    ignoreCase: match.ignoreUriCase === true && match.uri?.regex === undefined,
    ...(match.method && { method: textMatch(match.method) }),
    ...(match.scheme && { scheme: textMatch(match.scheme) }),
    ...(match.authority && { authority: textMatch(match.authority) }),
    headers: [
      ...positive.filter((e) => !isClaim(e)).map(([name, value]) => keyMatch(name.toLowerCase(), value)),
      ...negative.filter((e) => !isClaim(e)).map(([name, value]) => inverted(keyMatch(name.toLowerCase(), value))),
    ],
    claims: [
      ...positive.filter(isClaim).map(([name, value]) => keyMatch(claimPath(name), value)),
      ...negative.filter(isClaim).map(([name, value]) => inverted(keyMatch(claimPath(name), value))),
    ],
    query: Object.entries(match.queryParams ?? {}).map(([name, value]) => keyMatch(name, value)),
    sourceNamespaces: (match.sourceNamespace ?? '') === '' ? [] : [match.sourceNamespace ?? ''],
    statisticPrefix: match.statPrefix ?? '',
  };
}

function textMatch({ exact, prefix, regex }: VirtualServiceTextMatch): TextMatch {
  if (exact !== undefined) return { m: { case: 'exact', value: exact } };
  if (prefix !== undefined) return { m: { case: 'prefix', value: prefix } };
  return { m: { case: 'regex', value: regex ?? '.*' } };
}

/** An empty match and the regular expression `*` ask only whether the key is there. */
function keyMatch(name: string, match: VirtualServiceTextMatch): KeyMatch {
  const isPresence =
    match.regex === '*' || (match.exact === undefined && match.prefix === undefined && match.regex === undefined);
  return isPresence ? { name, present: true } : { name, value: textMatch(match) };
}

/** A missing header satisfies `withoutHeaders`. */
function inverted(match: KeyMatch): KeyMatch {
  return { ...match, invert: true, ...(match.present !== true && { treatMissingAsEmpty: true }) };
}

/** `@request.auth.claims.a.b` and `@request.auth.claims[a][b]` -> the path a, b. */
function claimPath(key: string): string {
  const rest = key.slice(CLAIMS.length);
  const steps = rest.startsWith('[') ? rest.slice(1, -1).split('][') : rest.slice(1).split('.');
  return steps.join(UNIT_SEPARATOR);
}
