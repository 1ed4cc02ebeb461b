// Routes and matches of a VirtualService that never decide anything (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { type Findings, type Json, mapOf, mapsOf, numberOf, optionalMap, textOf } from './json.ts';

/** A match by a prefix of the path, with what else it asks for. */
interface PrefixMatch {
  readonly route: string;
  readonly name: string;
  readonly prefix: string;
  readonly port: number;
  readonly method: string;
  readonly authority: string;
  readonly maps: readonly Readonly<Record<string, string>>[];
}

const nameOf = (part: Json, index: number): string => {
  const name = textOf(part['name']);
  return name === '' ? `#${index}` : quoted(name);
};

/** Warns about routes of one kind (`http`, `tcp` or `tls`). */
export function warnAboutUnreachable(routes: readonly Json[], { warn }: Findings): void {
  const unused = (rule: string, reason: string): void =>
    warn(`virtualService rule ${rule} not used (${reason})`, { kind: 'rule', rule, reason });
  const ineffective = (rule: string, match: string, duplicate: string): void =>
    warn(`virtualService rule ${rule} match ${match} is not used (duplicate/overlapping match in rule ${duplicate})`, {
      kind: 'match',
      rule,
      match,
      duplicate,
    });
  const seen = new Map<string, number>();
  const prefixes: PrefixMatch[] = [];
  let hasCatchAll = false;
  for (const [index, route] of routes.entries()) {
    const matches = mapsOf(route['match']);
    if (matches.length === 0) {
      if (hasCatchAll) unused(nameOf(route, index), 'only the last rule can have no matches');
      hasCatchAll = true;
      continue;
    }
    let duplicates = 0;
    for (const [at, match] of matches.entries()) {
      if (hasCatchAll) {
        unused(nameOf(route, index), 'route without matches defined before');
        continue;
      }
      const key = keyOf(match);
      const earlier = seen.get(key);
      if (earlier !== undefined) {
        ineffective(nameOf(route, index), nameOf(match, at), nameOf(routes[earlier] ?? {}, earlier));
        duplicates++;
        continue;
      }
      seen.set(key, index);
      const prefix = prefixMatch(match, nameOf(route, index), nameOf(match, at));
      if (prefix !== undefined) prefixes.push(prefix);
    }
    if (duplicates === matches.length) unused(nameOf(route, index), 'all matches used by prior rules');
  }
  for (const [index, earlier] of prefixes.entries()) {
    for (const later of prefixes.slice(index + 1)) {
      if (later.prefix === earlier.prefix || !covers(earlier, later)) continue;
      const covered = `${later.name} of prefix ${later.prefix}`;
      ineffective(later.route, covered, `${earlier.name} of prefix ${earlier.prefix} on ${earlier.route}`);
    }
  }
}

/** What a match asks for, without its name, as one comparable text. */
function keyOf(match: Json): string {
  return JSON.stringify(sorted({ ...match, name: undefined }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  const map = optionalMap(value);
  if (map === undefined) return value;
  const entries = Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

function textMatch(value: unknown): string {
  const { exact, prefix } = mapOf(value);
  if (textOf(exact) !== '') return `exact:${textOf(exact)}`;
  return textOf(prefix) === '' ? '' : `prefix:${textOf(prefix)}`;
}

const textMatches = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(mapOf(value)).map(([key, match]) => [key, textMatch(match)]));

function prefixMatch(match: Json, route: string, name: string): PrefixMatch | undefined {
  const prefix = textOf(mapOf(match['uri'])['prefix']);
  if (prefix === '') return undefined;
  return {
    route,
    name,
    prefix,
    port: numberOf(match['port']),
    method: textMatch(match['method']) || 'exact:GET',
    authority: textMatch(match['authority']),
    maps: ['headers', 'queryParams', 'withoutHeaders'].map((field) => textMatches(match[field])),
  };
}

/** True when everything that `later` asks for is asked for, less strictly, by `earlier`. */
function covers(earlier: PrefixMatch, later: PrefixMatch): boolean {
  if (!later.prefix.startsWith(earlier.prefix) || later.port !== earlier.port) return false;
  if (!earlier.method.startsWith(later.method) || !earlier.authority.startsWith(later.authority)) return false;
  return earlier.maps.every((map, index) => {
    const other = later.maps[index] ?? {};
    const entries = Object.entries(map);
    return (
      entries.length === Object.keys(other).length &&
      entries.every(([key, text]) => other[key] !== undefined && text.startsWith(other[key]))
    );
  });
}
