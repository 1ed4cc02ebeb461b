import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { memoryCluster } from '@ambit/kube/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createAuthenticator } from './authenticate.ts';
import { createJwtVerifier, type JwtVerdict, readJwtRule } from './jwt-rule.ts';

const SUBJECT = 'system:serviceaccount:apps:web';

/** An identity provider: its keys, its discovery document, and tokens of it. */
async function provider() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const pages = new Map<string, string>();
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    const page = pages.get(request.url ?? '');
    response.writeHead(page === undefined ? 404 : 200, { 'content-type': 'application/json', connection: 'close' });
    response.end(page);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  pages.set('/keys', JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }));
  const sign = (
    claims: object = {},
    key: Parameters<SignJWT['sign']>[0] = privateKey,
    alg = 'ES256',
  ): Promise<string> =>
    new SignJWT({ iss: issuer, aud: ['istio-ca'], sub: SUBJECT, exp: Math.floor(Date.now() / 1000) + 600, ...claims })
      .setProtectedHeader({ alg, kid: 'k' })
      .sign(key);
  const rule = (more: object = { jwksUri: `${issuer}/keys` }) => {
    const read = readJwtRule(JSON.stringify({ issuer, audiences: ['other', 'istio-ca'], ...more }));
    assert.ok(read);
    return read;
  };
  return {
    issuer,
    pages,
    sign,
    rule,
    requests: () => requests,
    [Symbol.asyncDispose]: async () => void (await once(server.close(), 'close')),
  };
}

test('a token counts with the right issuer, audience, key, time and subject, and not without any of them', async () => {
  await using issuer = await provider();
  const verify = createJwtVerifier(issuer.rule());
  assert.deepEqual(await verify(await issuer.sign()), { namespace: 'apps', serviceAccount: 'web' });
  const { privateKey: stranger } = await generateKeyPair('ES256');
  for (const [what, token] of [
    ['issuer', await issuer.sign({ iss: 'https://other' })],
    ['audience', await issuer.sign({ aud: ['third'] })],
    ['expired', await issuer.sign({ exp: 1 })],
    ['no end', await issuer.sign({ exp: undefined })],
    ['subject', await issuer.sign({ sub: 'mallory' })],
    ['subject of three parts', await issuer.sign({ sub: `${SUBJECT}:more` })],
    ['key', await issuer.sign({}, stranger)],
    ['secret key', await issuer.sign({}, new Uint8Array(32), 'HS256')],
    ['no signature', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`],
    ['no token', 'x'],
  ] as const)
    assert.equal(typeof (await verify(token)), 'string', what);
});

/** The reason of a verdict that is one. */
async function whyNot(verdict: Promise<JwtVerdict>): Promise<string> {
  const reason = await verdict;
  assert.ok(typeof reason === 'string');
  return reason;
}

test('without the address of keys the discovery document of the issuer tells it, if it is the issuer’s own', async () => {
  await using issuer = await provider();
  const verify = createJwtVerifier(issuer.rule({}));
  assert.match(await whyNot(verify(await issuer.sign())), /answered 404/);
  const asked = issuer.requests();
  assert.equal(typeof (await verify(await issuer.sign())), 'string');
  assert.equal(issuer.requests(), asked, 'after a failure nobody asks for a while');

  const document = (iss: string): string => JSON.stringify({ issuer: iss, jwks_uri: `${issuer.issuer}/keys` });
  const place = '/.well-known/openid-configuration';
  issuer.pages.set(place, document(issuer.issuer));
  assert.deepEqual(await createJwtVerifier(issuer.rule({}))(await issuer.sign()), {
    namespace: 'apps',
    serviceAccount: 'web',
  });
  issuer.pages.set(place, document('https://other'));
  assert.match(await whyNot(createJwtVerifier(issuer.rule({}))(await issuer.sign())), /another issuer/);
  issuer.pages.set(place, `"${'x'.repeat(2 * 1024 * 1024)}"`);
  assert.match(await whyNot(createJwtVerifier(issuer.rule({}))(await issuer.sign())), /more than/);
});

test('a rule that could accept anybody or nobody is refused with the reason', () => {
  assert.equal(readJwtRule(' '), undefined);
  for (const [text, why] of [
    ['{', /no JSON/],
    ['[]', /no JSON object/],
    ['{}', /no issuer/],
    ['{"issuer":"https://i"}', /no audience/],
    ['{"issuer":"https://i","audiences":"a"}', /list of texts/],
    ['{"issuer":"https://i","audiences":["a"],"jwksUri":"http://i/keys"}', /no https/],
    ['{"issuer":"i","audiences":["a"]}', /no https/],
  ] as const)
    assert.throws(() => readJwtRule(text), why);
});

test('tokens of the issuer and of the cluster count side by side; of the issuer’s none acts for others', async () => {
  await using issuer = await provider();
  const client = memoryCluster();
  client.tokens.set('of-cluster', {
    isAuthenticated: true,
    username: 'system:serviceaccount:apps:node',
    groups: ['system:serviceaccounts'],
    audiences: ['istio-ca'],
    extra: { 'authentication.kubernetes.io/pod-name': ['p'] },
    error: '',
  });
  const authenticator = createAuthenticator({
    client,
    clusterId: 'Kubernetes',
    audiences: ['istio-ca'],
    trustDomain: () => 'td',
    jwtRule: issuer.rule(),
    log: silentLogger,
  });
  const ask = async (token: string) => authenticator.authenticate({ authorization: `Bearer ${token}`, peer: 'p' });
  const own = await ask(await issuer.sign());
  assert.deepEqual([own?.identities, own?.podName], [['spiffe://td/ns/apps/sa/web'], '']);
  assert.deepEqual((await ask('of-cluster'))?.podName, 'p');
  assert.equal(await ask('of-nobody'), undefined);
});
