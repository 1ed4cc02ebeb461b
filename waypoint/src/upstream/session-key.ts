/**
 * The key that tokens of sessions are signed with (packages/docs/adr/0014). In: Secret resources, and a key of the process for the time
 * without one. Out: signatures, and marks of names. Used by session.ts; one set per data thread.
 */
import type { Secret } from '@ambit/proto/waypoint';
import type { SessionSigner } from '@ambit/l7';
import { createHmac } from 'node:crypto';
import { sessionKeyOf } from '../updates/references.ts';
import type { ConfigSnapshot } from '../updates/config-store.ts';

/** 128 bits in base64url. */
const signatureLength = 22;
/** 64 bits and a little. */
const markLength = 11;

/** Signs tokens, and gives names that only the same key gives. */
export class SessionKey implements SessionSigner {
  readonly #key: Uint8Array;
  readonly #marks = new WeakMap<object, string>();

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  sign(text: string): string {
    return this.#hmac(`token ${text}`).slice(0, signatureLength);
  }

  /** What a name is called in tokens, kept for as long as its holder lives. */
  mark(holder: object, name: string): string {
    const known = this.#marks.get(holder);
    if (known !== undefined) return known;
    const mark = this.#hmac(`name ${name}`).slice(0, markLength);
    this.#marks.set(holder, mark);
    return mark;
  }

  #hmac(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}

/** Gives the key that a configuration says. */
export const createSessionKeys = (ownKey: Uint8Array): ((config: ConfigSnapshot) => SessionKey) => {
  const own = new SessionKey(ownKey);
  const keys = new WeakMap<Secret, SessionKey>();
  return (config) => {
    const name = sessionKeyOf(config);
    const secret = name === undefined ? undefined : config.secret.get(name);
    if (secret?.body.case !== 'opaque' || secret.body.value.length === 0) return own;
    const key = keys.get(secret) ?? new SessionKey(secret.body.value);
    keys.set(secret, key);
    return key;
  };
};
