/**
 * The text of a JSON Web Key Set -> keys that verify tokens (RFC 7517; spec/waypoint.md 4.3, 6.3).
 * In: JSON of a user or of an issuer, at most 1 MiB and 100 keys. Out: a key set that never changes. Data thread.
 */
import { type JwtAlgorithm, jwtProblems, type ParsedJwt } from '@ambit/l7';
import { compactVerify, type CryptoKey, importJWK, type JWK } from 'jose';

/** Longest text that is read. */
export const MAX_JWKS_BYTES = 1024 * 1024;
const maxKeys = 100;

interface Key {
  readonly jwk: JWK;
  /** Imported on first use, once per algorithm. */
  readonly imported: Map<JwtAlgorithm, Promise<CryptoKey | Uint8Array | undefined>>;
}

/** Keys of one issuer. */
export interface KeySet {
  /** Undefined: the signature holds; else the words of the refusal. Never rejects. */
  verify(token: ParsedJwt): Promise<string | undefined>;
}

/** A key set that refuses everything with the same words. */
export const refusingKeySet = (problem: string): KeySet => ({ verify: () => Promise.resolve(problem) });

/** Reads a key set. Never throws: what cannot be read refuses every token. */
export const parseKeySet = (text: string): KeySet => {
  if (text.length > MAX_JWKS_BYTES) return refusingKeySet(jwtProblems.badKeySet);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refusingKeySet(jwtProblems.badKeySet);
  }
  const list = typeof value === 'object' && value !== null ? (value as { readonly keys?: unknown }).keys : undefined;
  if (!Array.isArray(list)) return refusingKeySet(jwtProblems.badKeySet);
  const keys = list.slice(0, maxKeys).flatMap((entry: unknown) => keyOf(entry) ?? []);
  return keys.length === 0 ? refusingKeySet(jwtProblems.noValidKey) : { verify: (token) => verifyWith(keys, token) };
};

const keyTypes = new Set(['RSA', 'EC', 'OKP', 'oct']);

const keyOf = (entry: unknown): Key | undefined => {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { kty, kid, alg, use, ...material } = entry as Record<string, unknown>;
  if (typeof kty !== 'string' || !keyTypes.has(kty) || (use !== undefined && use !== 'sig')) return undefined;
  for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'key_ops', 'ext']) delete material[part];
  const jwk: JWK = {
    ...material,
    kty,
    ...(typeof kid === 'string' ? { kid } : {}),
    ...(typeof alg === 'string' ? { alg } : {}),
  };
  return { jwk, imported: new Map() };
};

const verifyWith = async (keys: readonly Key[], token: ParsedJwt): Promise<string | undefined> => {
  let problem: string = jwtProblems.noKey;
  for (const key of keys) {
    if (!fits(key.jwk, token)) continue;
    const imported = await importOnce(key, token.algorithm);
    if (imported === undefined) continue;
    try {
      await compactVerify(token.text, imported, { algorithms: [token.algorithm] });
      return undefined;
    } catch {
      problem = jwtProblems.badSignature;
    }
  }
  return problem;
};

/** A key of another type can never be mixed up with the algorithm: HS* needs `oct`, RS* needs `RSA`, and so on. */
const fits = ({ kty, kid, alg, crv }: JWK, { algorithm, keyId }: ParsedJwt): boolean => {
  if (kty !== keyTypeOf(algorithm) || (alg !== undefined && alg !== algorithm)) return false;
  if (kid !== undefined && keyId !== undefined && kid !== keyId) return false;
  const curve = curves[algorithm];
  return curve === undefined || crv === curve;
};

const curves: Partial<Record<JwtAlgorithm, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'Ed25519',
};

const keyTypeOf = (algorithm: JwtAlgorithm): string => {
  if (algorithm.startsWith('HS')) return 'oct';
  if (algorithm.startsWith('ES')) return 'EC';
  return algorithm === 'EdDSA' ? 'OKP' : 'RSA';
};

const importOnce = (key: Key, algorithm: JwtAlgorithm): Promise<CryptoKey | Uint8Array | undefined> => {
  const known = key.imported.get(algorithm);
  if (known !== undefined) return known;
  const made = importJWK({ ...key.jwk, alg: algorithm }, algorithm).catch(() => undefined);
  key.imported.set(algorithm, made);
  return made;
};
