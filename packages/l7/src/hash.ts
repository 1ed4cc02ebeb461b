/**
 * Keys of consistent hashing (spec/waypoint.md 3.10): a hash policy and a request -> 64 bits, the same that upstream would take; the
 * table of hash/table.ts turns them into an endpoint. Pure; called by the waypoint's router on the data thread.
 */
import type { HashPolicy } from '@ambit/proto/waypoint';
import { durationMs } from './duration.ts';
import { type Hash64, hexOf, xxHash64 } from './hash/xxhash64.ts';
import { queryParameter } from './match/query.ts';
import type { RequestView } from './request-view.ts';

/** Key of a request; undefined when the request does not have what the policy asks for. */
export interface HashKey {
  readonly hash: Hash64;
  /** `set-cookie` for the client, when its cookie had to be made. */
  readonly setCookie: string | undefined;
}

const plain = (text: string | undefined): HashKey | undefined =>
  text === undefined ? undefined : { hash: xxHash64(text), setCookie: undefined };

/** Several values of a field count in any order. */
const ofValues = (values: readonly string[]): HashKey | undefined => {
  if (values.length < 2) return plain(values[0]);
  let hash: Hash64 | undefined;
  for (const value of values.toSorted()) hash = xxHash64(value, hash);
  return hash === undefined ? undefined : { hash, setCookie: undefined };
};

/** Reads the key. `addresses` (those of client and destination) is what a new cookie is made of. */
export const hashKeyOf = (policy: HashPolicy, request: RequestView, addresses: string): HashKey | undefined => {
  const source = policy.key;
  switch (source.case) {
    case 'header':
      return ofValues(request.headers.getAll(source.value.toLowerCase()));
    case 'sourceIp':
      return source.value ? plain(request.sourceIp) : undefined;
    case 'query':
      return plain(queryParameter(request.query, source.value));
    case 'cookie': {
      const { name, path, ttl, attributes } = source.value;
      const known = cookieOf(request, name);
      const ttlMs = durationMs(ttl);
      if (known !== undefined || ttlMs === undefined) return plain(known);
      const key = hexOf(xxHash64(addresses));
      const parts = [
        `${name}="${key}"`,
        ...(ttlMs > 0 ? [`Max-Age=${Math.round(ttlMs / 1000)}`] : []),
        ...(path === '' ? [] : [`Path=${path}`]),
        ...Object.entries(attributes).map(([attribute, value]) => (value === '' ? attribute : `${attribute}=${value}`)),
        'HttpOnly',
      ];
      return { hash: xxHash64(key), setCookie: parts.join('; ') };
    }
    case undefined:
      return undefined;
    default:
      return source satisfies never;
  }
};

/** The hash of a raw connection: of all policies only the address has a meaning. */
export const hashOfConnection = ({ key }: HashPolicy, sourceIp: string): Hash64 | undefined =>
  key.case === 'sourceIp' && key.value ? xxHash64(sourceIp) : undefined;

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
