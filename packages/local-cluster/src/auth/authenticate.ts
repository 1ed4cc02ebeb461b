/**
 * Bearer token -> user (spec/local-cluster.md 2 and 7.2). In: the Authorization header; out: a user, anonymous without
 * a header, 401 for a wrong token. Verified tokens are kept for ten seconds. Main thread.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { unauthorized } from '../api/status.ts';
import { TokenIssuer, tokenIssuerName } from './token-issuer.ts';
import { anonymous, mastersGroup } from './user.ts';
import type { UserInfo } from './user.ts';

const keptMs = 10_000;
const keptTokens = 1000;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Turns headers into users. */
export class Authenticator {
  readonly #issuer: TokenIssuer;
  readonly #static: readonly { readonly digest: Buffer; readonly user: UserInfo }[];
  readonly #verified = new Map<string, { readonly user: UserInfo; readonly untilMs: number }>();
  readonly #now: () => number;

  constructor(
    issuer: TokenIssuer,
    adminToken: string,
    tokens: Readonly<Record<string, { readonly username: string; readonly groups?: readonly string[] }>>,
    now: () => number,
  ) {
    this.#issuer = issuer;
    this.#now = now;
    const admin: UserInfo = { username: 'admin', groups: [mastersGroup, 'system:authenticated'] };
    this.#static = [
      { digest: digest(adminToken), user: admin },
      ...Object.entries(tokens).map(([token, user]) => ({
        digest: digest(token),
        user: { username: user.username, groups: [...(user.groups ?? []), 'system:authenticated'] },
      })),
    ];
  }

  /** The user of a request; rejects with 401 for a token nobody knows. */
  async user(authorization: string | undefined): Promise<UserInfo> {
    if (authorization === undefined || authorization === '') return anonymous;
    const [scheme = '', token = ''] = authorization.split(' ');
    if (scheme.toLowerCase() !== 'bearer' || token === '') throw unauthorized();
    return this.staticUser(token) ?? this.#accountUser(token, digest(token).toString('base64'));
  }

  /** The user of a token that was given at the start; undefined for any other. */
  staticUser(token: string): UserInfo | undefined {
    const hash = digest(token);
    return this.#static.find((entry) => timingSafeEqual(entry.digest, hash))?.user;
  }

  async #accountUser(token: string, key: string): Promise<UserInfo> {
    const now = this.#now();
    const known = this.#verified.get(key);
    if (known !== undefined && known.untilMs > now) return known.user;
    try {
      const { user } = await this.#issuer.verify(token, [tokenIssuerName]);
      if (this.#verified.size >= keptTokens) this.#verified.clear();
      this.#verified.set(key, { user, untilMs: now + keptMs });
      return user;
    } catch {
      throw unauthorized();
    }
  }
}
