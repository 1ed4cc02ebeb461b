import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remoteAccess } from '@ambit/kube';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { printRemoteSecret, remoteSecretOf } from './secret.ts';

test('the control plane of another cluster can use the kubeconfig of the Secret', async () => {
  const secret = remoteSecretOf(
    {
      cluster: 'west',
      server: 'https://west.example:6443',
      caBase64: Buffer.from('the ca').toString('base64'),
      token: 'a: "token"',
    },
    'istio-system',
  );
  assert.equal(secret.metadata?.labels?.['istio/multiCluster'], 'true');
  const { west = '' } = secret['stringData'] as Record<string, string>;
  const access = remoteAccess(west);
  assert.equal(access.server, 'https://west.example:6443');
  assert.deepEqual(await access.credentials(), {
    options: { ca: Buffer.from('the ca') },
    headers: { authorization: 'Bearer a: "token"' },
  });
});

test('a name that no object can have and a server without TLS are refused before anything is made', async () => {
  const api = {
    server: 'https://api.example',
    istioNamespace: 'istio-system',
    get: async () => undefined,
    apply: async () => assert.fail('something was made'),
  } as unknown as OpenedCluster;
  const flags = { serviceAccount: 'reader', timeout: '1s' };
  const isRefused = (error: unknown): boolean => CliError.is(error) && error.code === 'ERR_CLI_INVALID';
  await assert.rejects(printRemoteSecret(api, { ...flags, name: 'West: one' }), isRefused);
  await assert.rejects(printRemoteSecret(api, { ...flags, name: 'west', server: 'http://west.example' }), isRefused);
  await assert.rejects(
    printRemoteSecret(api, { ...flags, name: 'west' }),
    (error) => CliError.is(error) && error.code === 'ERR_CLI_NOT_FOUND',
  );
});
