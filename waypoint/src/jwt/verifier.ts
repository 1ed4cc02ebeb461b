/**
 * Signatures of tokens: keys from the configuration or from the main thread's fetches, verified once per token
 * (spec/waypoint.md 4.3). In: checks of @ambit/l7. Out: nothing, or the words of the refusal. One per data thread.
 * Fails closed: without keys every token is refused.
 */
import { hash } from 'node:crypto';
import { type JwtCheck, jwtProblems, type ParsedJwt, timerMs } from '@ambit/l7';
import type { Secret } from '@ambit/proto/waypoint';
import { type KeySet, parseKeySet, refusingKeySet } from './key-set.ts';

/** Tokens that are remembered as verified, per key set. */
const maxRemembered = 10_000;
/** Longest wait of a request for keys that have to be fetched, unless the rule says otherwise. */
const defaultWaitMs = 5000;
/** Tokens with unknown keys make this thread ask at most this often: each answer carries a whole key set. */
const askAgainMs = 1000;

/** Where keys come from. */
export interface VerifierOptions {
  /** A Secret of the current configuration. */
  readonly secret: (key: string) => Secret | undefined;
  /** Asks the main thread to fetch; it answers with `received`. */
  readonly want: (uri: string) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Verifies tokens. */
export interface JwtVerifier {
  /** Undefined: verified. Never rejects. */
  verify(check: JwtCheck): Promise<string | undefined>;
  /** Keys of a URI arrived; undefined = they could not be fetched and none are known. */
  received(uri: string, json: string | undefined): void;
  close(): void;
}

interface RemoteKeys {
  readonly json: string;
  readonly keys: KeySet;
}

/** Makes the verifier of a data thread. */
export const createJwtVerifier = (options: VerifierOptions): JwtVerifier => {
  const bySecret = new WeakMap<Secret, KeySet>();
  const remote = new Map<string, RemoteKeys>();
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const askedAt = new Map<string, number>();
  const now = options.now ?? (() => performance.now());

  const ofSecret = (secret: Secret | undefined): KeySet => {
    if (secret === undefined) return refusingKeySet(jwtProblems.fetchFailed);
    let keys = bySecret.get(secret);
    if (keys === undefined) {
      keys = remembering(
        secret.body.case === 'jwks' ? parseKeySet(secret.body.value.json) : refusingKeySet(jwtProblems.badKeySet),
      );
      bySecret.set(secret, keys);
    }
    return keys;
  };
  /** Resolves when the main thread answered, or after the limit. */
  const ask = async (uri: string, waitMs: number): Promise<void> => {
    let answer = waiting.get(uri);
    if (answer === undefined) {
      if (now() - (askedAt.get(uri) ?? Number.NEGATIVE_INFINITY) < askAgainMs) return;
      askedAt.set(uri, now());
      answer = Promise.withResolvers<void>();
      waiting.set(uri, answer);
      options.want(uri);
    }
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, waitMs).unref();
    await Promise.race([answer.promise, limit.promise]);
    clearTimeout(timer);
  };
  const verifyRemote = async ({ rule, token }: JwtCheck): Promise<string | undefined> => {
    const uri = rule.source.jwksUri;
    const waitMs = timerMs(rule.source.timeout) ?? defaultWaitMs;
    const known = remote.get(uri);
    const first = await known?.keys.verify(token);
    if (known !== undefined && first !== jwtProblems.noKey) return first;
    await ask(uri, waitMs); // no keys yet, or the issuer has rotated them
    const fresh = remote.get(uri);
    if (fresh === undefined) return jwtProblems.fetchFailed;
    return fresh === known ? first : fresh.keys.verify(token);
  };
  return {
    verify: (check) =>
      check.rule.source.jwksSecret === ''
        ? verifyRemote(check)
        : ofSecret(options.secret(check.rule.source.jwksSecret)).verify(check.token),
    received: (uri, json) => {
      if (json !== undefined && remote.get(uri)?.json !== json) {
        remote.set(uri, { json, keys: remembering(parseKeySet(json)) });
      } else if (json === undefined) {
        remote.delete(uri);
        askedAt.delete(uri);
      }
      waiting.get(uri)?.resolve();
      waiting.delete(uri);
    },
    close: () => {
      for (const { resolve } of waiting.values()) resolve();
      waiting.clear();
    },
  };
};

/** Remembers verified tokens by their digest; a new key set starts with nothing. Refusals are never remembered. */
const remembering = (keys: KeySet): KeySet => {
  const verified = new Set<string>();
  return {
    verify: async (token: ParsedJwt) => {
      const digest = hash('sha256', token.text, 'base64');
      if (verified.delete(digest)) {
        verified.add(digest); // the most recently used one is last
        return undefined;
      }
      const problem = await keys.verify(token);
      if (problem !== undefined) return problem;
      if (verified.size >= maxRemembered) verified.delete(verified.values().next().value as string);
      verified.add(digest);
      return undefined;
    },
  };
};
