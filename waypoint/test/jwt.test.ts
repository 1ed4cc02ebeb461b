// RequestAuthentication through a real data plane: tokens verified, claims in policies, routes and headers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
const backendKey = `${frontendKey}/80`;
const exact = (value: string) => ({ m: { case: 'exact' as const, value } });

describe('tokens', () => {
  let mesh: TestMesh;
  let key: CryptoKey;
  let seen: { url: string | undefined; headers: NodeJS.Dict<string | string[]> };
  const token = (claims: object, issuer = 'https://issuer'): Promise<string> =>
    new SignJWT({ iss: issuer, sub: 'ann', ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(key);
  const bearer = async (claims: object = {}, issuer?: string) => ({
    headers: { authorization: `Bearer ${await token(claims, issuer)}` },
  });

  before(async () => {
    mesh = await startTestMesh();
    const pair = await generateKeyPair('ES256');
    key = pair.privateKey;
    mesh.addWorkload(2, {
      handler: (request, response) => {
        seen = { url: request.url, headers: request.headers };
        response.end('ok');
      },
    });
    mesh.configure({
      secrets: {
        keys: {
          body: {
            case: 'jwks',
            value: { json: JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k' }] }) },
          },
        },
      },
      policies: {
        jwt: {
          body: {
            case: 'jwt',
            value: {
              rules: [
                {
                  issuer: 'https://issuer',
                  jwksSecret: 'keys',
                  claimHeaders: [{ header: 'x-user', path: ['sub'] }],
                },
                { issuer: 'https://nokeys', jwksSecret: 'absent' },
              ],
            },
          },
        },
        admins: {
          meta: { namespace: 'apps', name: 'admins' },
          body: {
            case: 'authz',
            value: {
              action: 1,
              rules: [
                {
                  to: [{ paths: [exact('/admin')] }],
                  when: [{ key: 'request.auth.claims[group]', notValues: [exact('admin')] }],
                },
              ],
            },
          },
        },
      },
      routeTables: {
        [`${frontendKey}:80`]: {
          gatewaySemantics: true,
          routes: [
            {
              name: 'beta',
              matches: [{ claims: [{ name: 'group', value: exact('beta') }] }],
              action: { case: 'direct', value: { status: 299 } },
            },
            { name: 'rest', action: { case: 'forward', value: { targets: [{ backend: backendKey, weight: 1 }] } } },
          ],
        },
      },
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: backendKey, routeTable: `${frontendKey}:80` }],
          policies: [
            { policy: 'jwt', failClosedIfMissing: true },
            { policy: 'admins', failClosedIfMissing: true },
          ],
        },
      },
    });
  });
  after(() => mesh.close());

  test('a request without token goes on, without the headers that only claims may set', async () => {
    assert.equal((await mesh.get('/', { headers: { 'x-user': 'root' } })).status, 200);
    assert.equal(seen.headers['x-user'], undefined);
    assert.equal((await mesh.get('/admin')).status, 403);
  });

  test('a valid token opens what its claims allow and does not reach the backend', async () => {
    assert.equal((await mesh.get('/admin', await bearer({ group: 'admin' }))).status, 200);
    assert.equal(seen.headers['x-user'], 'ann');
    assert.equal(seen.headers['authorization'], undefined);
    assert.equal((await mesh.get('/admin', await bearer({ group: ['users'] }))).status, 403);
    assert.equal((await mesh.get(`/x?a=1&access_token=${await token({})}`)).status, 200);
    assert.equal(seen.url, '/x?a=1');
    assert.ok(!(mesh.accessLines.at(-1) ?? '').includes('access_token'), 'a token is not logged');
  });

  test('claims choose routes', async () => {
    assert.equal((await mesh.get('/', await bearer({ group: 'beta' }))).status, 299);
  });

  test('a bad token is 401 with the exact words, whatever the policies say', async () => {
    const forged = (await bearer()).headers.authorization.replace(/.{8}$/, 'AAAAAAAA');
    const response = await mesh.get('/', { headers: { authorization: forged } });
    assert.equal(response.status, 401);
    assert.equal(response.body, 'Jwt verification fails');
    assert.equal(response.headers['www-authenticate'], 'Bearer realm="http://reviews/", error="invalid_token"');
    assert.match(mesh.accessLines.at(-1) ?? '', / 401 - jwt_authn_access_denied\{Jwt_verification_fails\} /);
    const without = await mesh.get('/', await bearer({}, 'https://nokeys'));
    assert.deepEqual([without.status, without.body], [401, 'Jwks remote fetch is failed']);
  });
});
