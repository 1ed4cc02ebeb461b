// Tokens of another issuer than a Kubernetes API (`JWT_RULE`, spec control-plane 4.6): for control planes that run outside of a cluster, and for
// machines that have tokens of an identity provider. In: the rule, as upstream writes it, and tokens. Out: the service account that a token
// names. Called by authenticate.ts; main thread. Keys are fetched when a token needs them, at most every 30 s, and kept for ten minutes.
import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { messageOf } from '@ambit/runtime/errors';
import { readAtMost } from '@ambit/runtime/read-at-most';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';

/** A rule. */
export interface JwtRule {
  /** Must equal `iss`. */
  readonly issuer: string;
  /** One of these must stand in `aud`; none accept no token. */
  readonly audiences: readonly string[];
  /** Where the keys are; undefined: what the issuer's discovery document says. */
  readonly jwksUri: string | undefined;
}

/** Whom a token is of, or why it does not count. */
export type JwtVerdict = { readonly namespace: string; readonly serviceAccount: string } | string;

/** Algorithms with public keys. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const MAX_DOCUMENT_BYTES = 1024 * 1024;
const FETCH_TIMEOUT_MS = 5_000;
const COOL_DOWN_MS = 30_000;
const SUBJECT_PREFIX = 'system:serviceaccount:';

/** Reads a rule; undefined for an empty text. Throws an Error whose message completes "JWT_RULE ...". */
export function readJwtRule(text: string): JwtRule | undefined {
  if (text.trim() === '') return undefined;
  let rule: unknown;
  try {
    rule = JSON.parse(text);
  } catch {
    throw new Error('is no JSON');
  }
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) throw new Error('is no JSON object');
  const given = rule as Record<string, unknown>;
  const { issuer, audiences = [] } = given;
  const jwksUri = given['jwksUri'] ?? given['jwks_uri'];
  if (typeof issuer !== 'string' || issuer === '') throw new Error('names no issuer');
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
  if (!Array.isArray(audiences) || !audiences.every(isText)) throw new Error('has audiences that are no list of texts');
  if (audiences.length === 0) throw new Error('names no audience, so that it would accept no token');
  if (jwksUri !== undefined && typeof jwksUri !== 'string') throw new Error('has a jwksUri that is no text');
  requireSecure(jwksUri ?? issuer, jwksUri === undefined ? 'issuer' : 'jwksUri');
  return { issuer, audiences, jwksUri };
}

/** Keys that arrive unprotected could be anybody's; on this machine nobody stands between. */
function requireSecure(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url?.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  if (url === undefined || (url.protocol !== 'https:' && !isLocal))
    throw new Error(`has the ${what} ${text}, no https:// address`);
  return url;
}

/** Makes a verifier. It never rejects. */
export function createJwtVerifier(rule: JwtRule): (token: string) => Promise<JwtVerdict> {
  const { issuer, audiences } = rule;
  let keys: JWTVerifyGetKey | undefined = rule.jwksUri === undefined ? undefined : keysAt(new URL(rule.jwksUri));
  let discovering: Promise<JWTVerifyGetKey> | undefined;
  let failedAtMs = -Infinity;
  const keysOf = async (): Promise<JWTVerifyGetKey> => {
    if (keys !== undefined) return keys;
    if (performance.now() - failedAtMs < COOL_DOWN_MS)
      throw new Error('the discovery document of the issuer cannot be read');
    discovering ??= discover(issuer).finally(() => (discovering = undefined));
    try {
      return (keys = await discovering);
    } catch (error) {
      failedAtMs = performance.now();
      throw error;
    }
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, await keysOf(), {
        issuer,
        audience: [...audiences],
        algorithms: ALGORITHMS,
        requiredClaims: ['exp'],
      });
      return accountOf(payload);
    } catch (error) {
      return messageOf(error);
    }
  };
}

function accountOf({ sub = '' }: JWTPayload): JwtVerdict {
  const [namespace, serviceAccount, ...rest] = sub.startsWith(SUBJECT_PREFIX)
    ? sub.slice(SUBJECT_PREFIX.length).split(':')
    : [];
  if (!namespace || !serviceAccount || rest.length > 0) return 'its subject is no service account';
  return { namespace, serviceAccount };
}

const keysAt = (url: URL): JWTVerifyGetKey =>
  createRemoteJWKSet(url, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOL_DOWN_MS,
    [customFetch]: fetchSmall,
  });

/** OpenID Connect Discovery 1.0, section 4. */
async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer;
  const response = await fetchSmall(`${base}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`the discovery document of the issuer answered ${response.status}`);
  const document = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown } | null;
  if (document?.issuer !== issuer) throw new Error('the discovery document names another issuer');
  if (typeof document.jwks_uri !== 'string') throw new Error('the discovery document names no keys');
  return keysAt(requireSecure(document.jwks_uri, 'jwks_uri'));
}

/** Fetch that follows nobody elsewhere and reads no more than a key set can have. */
async function fetchSmall(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, redirect: 'error' });
  if (response.body === null) return response;
  const body = await readAtMost(Readable.fromWeb(response.body as ReadableStream), MAX_DOCUMENT_BYTES);
  if (body === undefined) throw new Error(`${new URL(url).host} answered more than ${MAX_DOCUMENT_BYTES} bytes`);
  return new Response(new Uint8Array(body), { status: response.status, headers: response.headers });
}
