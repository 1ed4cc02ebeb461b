/**
 * Where a rule looks for tokens, and how a token is taken out of a request again (spec/waypoint.md 4.3).
 * In: a rule and a request view. Out: the tokens there, and requests without them. Compiled with the policies; data thread.
 */
import type { JwtRule } from '@ambit/proto/waypoint';
import { L7Error } from '../errors.ts';
import type { RequestView } from '../request-view.ts';

/** One place in a request. */
export interface TokenLocation {
  readonly kind: 'header' | 'param' | 'cookie';
  /** Header names are lower case. */
  readonly name: string;
  /** Text in front of the token, literally; headers only. */
  readonly prefix: string;
}

/** What stands at a location. */
export interface FoundToken {
  readonly location: TokenLocation;
  /** More than one value at the same place cannot be told apart. */
  readonly values: readonly string[];
}

const defaultLocations: readonly TokenLocation[] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
  { kind: 'param', name: 'access_token', prefix: '' },
];

/** Locations of a rule in the order headers, parameters, cookies. Throws ERR_L7_UNSUPPORTED. */
export const compileLocations = (rule: JwtRule): readonly TokenLocation[] => {
  const plain = (kind: 'param' | 'cookie') => (name: string) => ({ kind, name, prefix: '' });
  const named = [
    ...rule.fromHeaders.map(({ name, value }): TokenLocation => {
      const form = value?.m;
      if (form !== undefined && form.case !== 'prefix' && form.case !== undefined) {
        throw new L7Error('ERR_L7_UNSUPPORTED', `token header ${name} with a ${form.case} match`);
      }
      return { kind: 'header', name: name.toLowerCase(), prefix: form?.value ?? '' };
    }),
    ...rule.fromParams.map(plain('param')),
    ...rule.fromCookies.map(plain('cookie')),
  ];
  return named.length > 0 ? named : defaultLocations;
};

/** Tokens at the locations; places without one are left out. */
export const findTokens = (locations: readonly TokenLocation[], request: RequestView): FoundToken[] =>
  locations.flatMap((location) => {
    const values = valuesAt(location, request);
    return values.length === 0 ? [] : [{ location, values }];
  });

const valuesAt = (location: TokenLocation, { headers, query }: RequestView): string[] => {
  switch (location.kind) {
    case 'header':
      return afterPrefix(headers.joined(location.name)?.trim(), location); // repeated fields are one value, and no token
    case 'param':
      return (query ?? '').split('&').flatMap((pair) => valueOfPair(pair, location.name).map(decoded));
    case 'cookie':
      return cookiesOf(headers.getAll('cookie')).flatMap((pair) => valueOfPair(pair, location.name));
    default:
      return location.kind satisfies never;
  }
};

const afterPrefix = (value: string | undefined, { prefix }: TokenLocation): string[] =>
  value?.startsWith(prefix) === true ? [value.slice(prefix.length).trim()] : [];

const valueOfPair = (pair: string, name: string): string[] =>
  pair.startsWith(`${name}=`) ? [pair.slice(name.length + 1)] : [];

const cookiesOf = (headers: readonly string[]): string[] =>
  headers.flatMap((header) => header.split(';').map((pair) => pair.trim()));

const decoded = (value: string): string => {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // no token looks like that; parsing says so
  }
};

/** Takes the token out: edits the headers in place, returns the query that remains. */
export const stripToken = (
  location: TokenLocation,
  { headers, query }: Pick<RequestView, 'headers' | 'query'>,
): string | undefined => {
  switch (location.kind) {
    case 'header':
      headers.remove(location.name);
      return query;
    case 'param': {
      const kept = (query ?? '').split('&').filter((pair) => !pair.startsWith(`${location.name}=`));
      return kept.length === 0 ? undefined : kept.join('&');
    }
    case 'cookie': {
      const kept = cookiesOf(headers.getAll('cookie')).filter((pair) => !pair.startsWith(`${location.name}=`));
      if (kept.length === 0) headers.remove('cookie');
      else headers.set('cookie', kept.join('; '));
      return query;
    }
    default:
      return location.kind satisfies never;
  }
};
