// A signed token and the key set that accepts it; the key is made for this run. Used by suite.ts.
import { generateKeyPairSync, sign } from 'node:crypto';

/** Makes both. */
export function makeToken(): { readonly token: string; readonly jwks: string } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'RS256', kid: 'bench' })}.${encode({ iss: 'bench', sub: 'load', exp: 4_102_444_800 })}`;
  const signature = sign('sha256', Buffer.from(text), privateKey).toString('base64url');
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' };
  return { token: `${text}.${signature}`, jwks: JSON.stringify({ keys: [key] }) };
}
