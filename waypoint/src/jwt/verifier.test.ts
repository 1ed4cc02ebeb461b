import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { compileJwt, HeaderList, noPeer } from '@ambit/l7';
import { PolicySchema, type Secret, SecretSchema } from '@ambit/proto/waypoint';
import { exportJWK, generateKeyPair, generateSecret, SignJWT } from 'jose';
import { parseKeySet } from './key-set.ts';
import { createJwtVerifier } from './verifier.ts';

const checkOf = (token: string, rule: { jwksSecret?: string; jwksUri?: string }) => {
  const policy = create(PolicySchema, { body: { case: 'jwt', value: { rules: [{ issuer: 'me', ...rule }] } } });
  const refs = [{ policy: 'p', phase: 0, ports: [], failClosedIfMissing: true }] as never;
  const request = {
    peer: noPeer,
    sourceIp: '',
    remoteIp: '',
    destinationIp: undefined,
    port: 80,
    sni: undefined,
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path: '/',
    query: undefined,
    headers: HeaderList.fromRaw(['authorization', `Bearer ${token}`]),
  };
  const check = compileJwt({ refs, lookup: () => policy, port: 80 })?.plan(request, Date.now() / 1000)?.checks[0];
  assert.ok(check);
  return check;
};
const sign = async (key: CryptoKey, alg: string, kid?: string): Promise<string> =>
  new SignJWT({ iss: 'me' }).setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) }).sign(key);
const issuer = async (kid: string, alg = 'ES256') => {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg }, token: await sign(privateKey, alg, kid), privateKey };
};
const jwks = (...keys: object[]): string => JSON.stringify({ keys });
const secretOf = (json: string): Secret => create(SecretSchema, { body: { case: 'jwks', value: { json } } });

describe('key sets', () => {
  for (const alg of ['RS256', 'PS384', 'ES256', 'ES384', 'EdDSA']) {
    test(`${alg} is verified`, async () => {
      const { jwk, token } = await issuer('k', alg);
      const { token: parsed } = checkOf(token, { jwksSecret: 's' });
      assert.equal(await parseKeySet(jwks(jwk)).verify(parsed), undefined);
      const other = await issuer('k', alg);
      assert.equal(await parseKeySet(jwks(other.jwk)).verify(parsed), 'Jwt verification fails');
      assert.equal(
        await parseKeySet(jwks({ ...jwk, kid: 'x' })).verify(parsed),
        "Jwks doesn't have key to match kid or alg from Jwt",
      );
    });
  }

  test('a public key is never the secret of an HMAC', async () => {
    const { jwk } = await issuer('k', 'RS256');
    const forged = checkOf(await sign((await generateSecret('HS256')) as CryptoKey, 'HS256', 'k'), { jwksSecret: 's' });
    assert.equal(
      await parseKeySet(jwks(jwk)).verify(forged.token),
      "Jwks doesn't have key to match kid or alg from Jwt",
    );
  });

  test('what is no key set refuses with its words', async () => {
    const { token } = checkOf((await issuer('k')).token, { jwksSecret: 's' });
    for (const text of ['', '[]', '{"keys":1}', 'x'.repeat(2_000_000)])
      assert.equal(await parseKeySet(text).verify(token), 'Jwks is an invalid JSON');
    for (const text of ['{"keys":[]}', '{"keys":[1,{"kty":"x"},{"kty":"EC","use":"enc"}]}'])
      assert.equal(await parseKeySet(text).verify(token), "Jwks doesn't have any valid public key");
  });
});

describe('the verifier', () => {
  test('uses the secret of the configuration, and refuses without it', async () => {
    const { jwk, token } = await issuer('k');
    let secret: Secret | undefined;
    const verifier = createJwtVerifier({ secret: () => secret, want: () => undefined });
    const check = checkOf(token, { jwksSecret: 's' });
    assert.equal(await verifier.verify(check), 'Jwks remote fetch is failed');
    secret = secretOf(jwks(jwk));
    assert.equal(await verifier.verify(check), undefined);
    assert.equal(await verifier.verify(check), undefined, 'remembered');
    secret = secretOf(jwks((await issuer('k')).jwk));
    assert.equal(await verifier.verify(check), 'Jwt verification fails', 'other keys forget what was verified');
    verifier.close();
  });

  test('waits for keys of a URI and asks once', async () => {
    const { jwk, token } = await issuer('k');
    const wanted: string[] = [];
    const verifier = createJwtVerifier({ secret: () => undefined, want: (uri) => wanted.push(uri) });
    const check = checkOf(token, { jwksUri: 'http://issuer/keys' });
    const answers = [verifier.verify(check), verifier.verify(check)];
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(wanted, ['http://issuer/keys']);
    verifier.received('http://issuer/keys', jwks(jwk));
    assert.deepEqual(await Promise.all(answers), [undefined, undefined]);
    verifier.close();
  });

  test('an unknown key leads to one more look, also when that brings nothing', async () => {
    const old = await issuer('old');
    const fresh = await issuer('fresh');
    const answers = [jwks(old.jwk), jwks(old.jwk, fresh.jwk)];
    let nowMs = 0;
    const verifier = createJwtVerifier({
      secret: () => undefined,
      want: (uri) => setImmediate(() => verifier.received(uri, answers[0])),
      now: () => nowMs,
    });
    verifier.received('http://issuer/keys', answers[0]);
    const check = checkOf(fresh.token, { jwksUri: 'http://issuer/keys' });
    assert.equal(await verifier.verify(check), "Jwks doesn't have key to match kid or alg from Jwt");
    answers.shift();
    nowMs += 1000;
    assert.equal(await verifier.verify(check), undefined);
    verifier.received('http://issuer/keys', undefined);
    answers[0] = undefined as never;
    assert.equal(await verifier.verify(check), 'Jwks remote fetch is failed');
    verifier.close();
  });

  test('tokens with keys that nobody knows cost a look per second, not one each', async () => {
    const { jwk } = await issuer('k');
    const { token } = await issuer('unknown');
    let looks = 0;
    let nowMs = 0;
    const verifier = createJwtVerifier({
      secret: () => undefined,
      want: (uri) => {
        looks += 1;
        setImmediate(() => verifier.received(uri, jwks(jwk)));
      },
      now: () => nowMs,
    });
    verifier.received('http://issuer/keys', jwks(jwk));
    const check = checkOf(token, { jwksUri: 'http://issuer/keys' });
    for (let index = 0; index < 500; index++) {
      nowMs += 10;
      assert.equal(await verifier.verify(check), "Jwks doesn't have key to match kid or alg from Jwt");
    }
    assert.equal(looks, 5);
    verifier.close();
  });
});
