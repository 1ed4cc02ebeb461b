/**
 * Consistent hashing: the key of a request, and the endpoint that a key belongs to (spec/waypoint.md 3.10, 5.5).
 * In: a HashPolicy and a request view. Out: a key, perhaps with a cookie to set; then an index. Pure; data thread.
 *
 * Rendezvous hashing stands for both ring hash and maglev: the same key goes to the same endpoint, weights count, and an
 * endpoint that comes or goes moves only its own share of the keys. Ring and table sizes have no meaning here.
 */
import type { HashPolicy } from '@ambit/proto/waypoint';
import { durationMs } from './duration.ts';
import { queryParameter } from './match/query.ts';
import type { RequestView } from './request-view.ts';

/** Key of a request; undefined when the request does not have what the policy asks for. */
export interface HashKey {
  readonly key: string;
  /** `set-cookie` for the client, when its cookie had to be made. */
  readonly setCookie: string | undefined;
}

/** Reads the key. `clientAddress` (`ip:port`) is what a new cookie is made of. */
export const hashKeyOf = (policy: HashPolicy, request: RequestView, clientAddress: string): HashKey | undefined => {
  const plain = (key: string | undefined): HashKey | undefined =>
    key === undefined ? undefined : { key, setCookie: undefined };
  const source = policy.key;
  switch (source.case) {
    case 'header':
      return plain(request.headers.joined(source.value.toLowerCase()));
    case 'sourceIp':
      return source.value ? plain(request.sourceIp) : undefined;
    case 'query':
      return plain(queryParameter(request.query, source.value));
    case 'cookie': {
      const { name, path, ttl, attributes } = source.value;
      const known = cookieOf(request, name);
      const ttlMs = durationMs(ttl);
      if (known !== undefined || ttlMs === undefined) return plain(known);
      const key = hash64(`${clientAddress} ${request.authority}`);
      const parts = [
        `${name}="${key}"`,
        ...(ttlMs > 0 ? [`Max-Age=${Math.round(ttlMs / 1000)}`] : []),
        ...(path === '' ? [] : [`Path=${path}`]),
        ...Object.entries(attributes).map(([attribute, value]) => (value === '' ? attribute : `${attribute}=${value}`)),
        'HttpOnly',
      ];
      return { key, setCookie: parts.join('; ') };
    }
    case undefined:
      return undefined;
    default:
      return source satisfies never;
  }
};

const cookieOf = ({ headers }: RequestView, name: string): string | undefined => {
  for (const line of headers.getAll('cookie')) {
    for (const pair of line.split(';')) {
      const [key, ...rest] = pair.trim().split('=');
      if (key !== name) continue;
      const value = rest.join('=');
      return value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : value;
    }
  }
  return undefined;
};

/** The entry with the highest score for the key; undefined for an empty list. */
export const chooseByHash = <T extends { readonly weight: number }>(
  entries: readonly T[],
  key: string,
  nameOf: (entry: T) => string,
): T | undefined => {
  let best: T | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const entry of entries) {
    const unit = (hash32(`${nameOf(entry)} ${key}`, 0) + 0.5) / 2 ** 32;
    const score = -entry.weight / Math.log(unit);
    if (score > bestScore) {
      best = entry;
      bestScore = score;
    }
  }
  return best;
};

/** Sixteen hexadecimal digits that stand for a text; equal texts have equal ones. No secret, and no signature. */
export const hash64 = (text: string): string =>
  [hash32(text, 0), hash32(text, 0x9e3779b9)].map((part) => part.toString(16).padStart(8, '0')).join('');

/** FNV-1a with the final mix of MurmurHash3: spreads well, is no protection against anybody. */
const hash32 = (text: string, seed: number): number => {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};
