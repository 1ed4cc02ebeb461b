// JSON Web Key Sets inside policies (RFC 7517): whether they can be read, and whether they give private keys away. Pure.
import { type Json, listOf, optionalMap, textOf } from './json.ts';

/** What is known of a key set. */
export type KeySet = { readonly problem: string } | { readonly privateKeys: readonly number[] };

const UNREADABLE = 'failed to unmarshal JWK set';
/** Fields without which a public key is none, by key type. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  RSA: ['n', 'e'],
  EC: ['crv', 'x', 'y'],
  OKP: ['crv', 'x'],
  oct: ['k'],
};

/** Reads a set of keys, or a single key. */
export function readKeySet(text: string): KeySet {
  let json: Json | undefined;
  try {
    json = optionalMap(JSON.parse(text));
  } catch {
    return { problem: `${UNREADABLE}: not JSON` };
  }
  if (json === undefined) return { problem: `${UNREADABLE}: not an object` };
  const keys = json['keys'] === undefined ? [json] : listOf(json['keys']).map(optionalMap);
  const wrong = keys.findIndex((key) => key === undefined || !isKey(key));
  if (wrong >= 0) return { problem: `${UNREADABLE}: key #${wrong + 1} is not readable` };
  const isPrivate = (key: Json | undefined): boolean => key?.['kty'] === 'oct' || textOf(key?.['d']) !== '';
  return { privateKeys: keys.flatMap((key, index) => (isPrivate(key) ? [index] : [])) };
}

function isKey(key: Json): boolean {
  const type = textOf(key['kty']);
  const needed = Object.hasOwn(NEEDED, type) ? NEEDED[type] : undefined;
  return needed !== undefined && needed.every((field) => textOf(key[field]) !== '');
}
