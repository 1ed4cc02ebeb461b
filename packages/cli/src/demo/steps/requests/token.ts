// Tokens: without one 403, with a forged one 401, with the right one 200.
import { generateKeyPairSync, sign } from 'node:crypto';
import { kinds } from '../../../cluster/kinds.ts';
import type { BurstOrder } from '../../load-client.ts';
import { shop, type Stage } from '../../stage.ts';
import { expect } from '../../step.ts';
import { type RequestRule, until } from './rule.ts';

const issuer = 'https://tour.example';

/** Who may ask for details: everybody with a token of the issuer. */
const tokenRules = (jwks: string) => [
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'details-tokens', namespace: shop },
    spec: { targetRefs: [{ kind: 'Service', group: '', name: 'details' }], jwtRules: [{ issuer, jwks }] },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'details-tokens', namespace: shop },
    spec: {
      targetRefs: [{ kind: 'Service', group: '', name: 'details' }],
      action: 'ALLOW',
      rules: [{ from: [{ source: { requestPrincipals: [`${issuer}/*`] } }] }],
    },
  },
];

/** A token, and the key set that knows its key; made for this tour. */
function makeToken(): { readonly token: string; readonly jwks: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: issuer, sub: 'tour', exp: Math.floor(Date.now() / 1000) + 3600 };
  const text = `${encode({ alg: 'ES256', kid: 'tour' })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'tour', alg: 'ES256', use: 'sig' };
  return { token: `${text}.${signature.toString('base64url')}`, jwks: JSON.stringify({ keys: [jwk] }) };
}

async function tokens(stage: Stage): Promise<string> {
  const { token, jwks } = makeToken();
  for (const rule of tokenRules(jwks)) await stage.api.apply(rule);
  const order = { host: 'details:9080', path: '/details/0', count: 10 };
  const withToken = (text: string): BurstOrder => ({ ...order, headers: { authorization: `Bearer ${text}` } });
  await until(stage, 'the refusal without a token', order, ({ statuses }) => statuses['403'] === 10);
  await until(stage, 'the answer with a token', withToken(token), ({ statuses }) => statuses['200'] === 10);
  const forged = await stage.load.burst(withToken(`${token.slice(0, -8)}AAAAAAAA`));
  expect(forged.statuses['401'] === 10, 'a forged token was not refused', JSON.stringify(forged));
  for (const kind of [kinds.authorizationPolicy, kinds.requestAuthentication])
    await stage.api.delete({ ...kind, namespace: shop, name: 'details-tokens' });
  return 'token: 10 of 10 answered 200; no token 403, a forged one 401';
}

/** RequestAuthentication, and a policy that asks for its principals. */
export const tokenRule: RequestRule = {
  command: 'kubectl apply -f details-tokens.yaml    # RequestAuthentication and AuthorizationPolicy',
  show: tokens,
};
