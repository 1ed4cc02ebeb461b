import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { kubeconfigAccess } from './access.ts';
import { readPlainKubeconfig } from './plain-kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'ambit-t-kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

interface Parts {
  readonly cluster?: object;
  readonly user?: object | null;
  readonly context?: object;
}

/** Writes a kubeconfig; what a part names is added to the plainest one. */
function written({ cluster = {}, user = {}, context = {} }: Parts): string {
  const file = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://api.example:6443', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', ...context } }],
    'current-context': 'x',
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

test('a token, a certificate and its files are taken from the kubeconfig as kubectl takes them', async () => {
  writeFileSync(join(folder, 'client.pem'), 'from a file');
  const file = written({
    cluster: { 'certificate-authority-data': Buffer.from('the ca').toString('base64'), 'tls-server-name': 'other' },
    user: { token: 'secret', 'client-certificate': 'client.pem', 'client-key-data': 'a2V5' },
    context: { namespace: 'shop' },
  });
  const plain = await readPlainKubeconfig(file, undefined);
  assert.deepEqual(plain, {
    server: 'https://api.example:6443',
    skipsVerification: false,
    namespace: 'shop',
    token: 'secret',
    tokenFile: undefined,
    tls: {
      ca: Buffer.from('the ca'),
      cert: Buffer.from('from a file'),
      key: Buffer.from('key'),
      servername: 'other',
    },
  });
});

test('requests carry the token of a file, read anew, and on whose behalf they are made', async () => {
  writeFileSync(join(folder, 'token'), 'from a file\n');
  const file = written({ user: { tokenFile: 'token' } });
  const access = await kubeconfigAccess(file, 'x', { user: 'jane', groups: ['a', 'b'] });
  const { headers } = await access.credentials();
  assert.deepEqual(headers, {
    authorization: 'Bearer from a file',
    'impersonate-user': 'jane',
    'impersonate-group': 'a,b',
  });
});

test('a server without TLS is refused, also in a plain kubeconfig', async () => {
  const file = written({ cluster: { server: 'http://api.example' }, user: { token: 'secret' } });
  await assert.rejects(kubeconfigAccess(file), { code: 'ERR_KUBE_CONFIG' });
});

test('what needs more than reading is left to the library: programs, proxies, passwords, unknown contexts', async () => {
  const others: readonly Parts[] = [
    { user: { exec: { command: 'aws' } } },
    { user: { 'auth-provider': { name: 'oidc' } } },
    { user: { username: 'u', password: 'p' } },
    { user: { token: 'secret', 'as-user-extra': {} } },
    { cluster: { 'proxy-url': 'http://proxy.example' } },
    { cluster: { 'insecure-skip-tls-verify': true } },
    { context: { user: 'nobody' } },
    { user: { 'client-certificate': 'no such file' } },
    { user: { token: 7 } },
  ];
  for (const parts of others)
    assert.equal(await readPlainKubeconfig(written(parts), undefined), undefined, JSON.stringify(parts));
  assert.equal(await readPlainKubeconfig(written({}), 'no such context'), undefined);
  assert.equal(await readPlainKubeconfig(join(folder, 'no such file'), undefined), undefined);
});

test('no text makes the reader throw', async () => {
  const file = join(folder, 'any');
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
      writeFileSync(file, text);
      assert.equal(await readPlainKubeconfig(file, undefined), undefined);
    }),
    { numRuns: 100 },
  );
});
