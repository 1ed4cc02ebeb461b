import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { KubeError } from './errors.ts';
import { clusterNameOf, remoteAccess } from './remote-access.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function kubeconfig(user: object, cluster: object = {}): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c2',
    contexts: [{ name: 'c2', context: { cluster: 'c2', user: 'c2' } }],
    clusters: [
      {
        name: 'c2',
        cluster: { server: 'https://10.0.0.1:6443/', 'certificate-authority-data': base64('CA'), ...cluster },
      },
    ],
    users: [{ name: 'c2', user }],
  });
}

test('a token or a certificate in the text itself is taken', async () => {
  const byToken = remoteAccess(kubeconfig({ token: 'abc' }));
  assert.equal(byToken.server, 'https://10.0.0.1:6443');
  const { headers, options } = await byToken.credentials();
  assert.deepEqual([headers, String(options.ca)], [{ authorization: 'Bearer abc' }, 'CA']);
  const pair = { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') };
  const byCertificate = await remoteAccess(kubeconfig(pair)).credentials();
  assert.deepEqual([String(byCertificate.options.cert), byCertificate.headers], ['CERT', {}]);
});

test('programs, files, passwords, plain servers and unchecked certificates are refused, and no credential is told', () => {
  const secret = 'do-not-tell';
  const bad = [
    kubeconfig({ exec: { command: '/bin/sh', args: [secret] } }),
    kubeconfig({ 'auth-provider': { name: 'gcp' } }),
    kubeconfig({ tokenFile: '/etc/shadow', token: secret }),
    kubeconfig({ username: 'a', password: secret }),
    kubeconfig({ 'client-certificate': '/etc/passwd', token: secret }),
    kubeconfig({ token: secret }, { 'certificate-authority': '/etc/passwd' }),
    kubeconfig({ token: secret }, { 'insecure-skip-tls-verify': true }),
    kubeconfig({ token: secret }, { server: 'http://10.0.0.1' }),
    kubeconfig({ token: secret }, { server: 'nonsense' }),
    kubeconfig({ token: secret }, { 'proxy-url': 'http://10.0.0.2' }),
    kubeconfig({}),
    kubeconfig({ token: secret }).replace('"current-context":"c2"', '"current-context":"other"'),
    `token: ${secret}\n  - broken`,
    '',
    ' '.repeat(300_000),
  ];
  for (const text of bad) {
    assert.throws(
      () => remoteAccess(text),
      (error) => KubeError.is(error, 'ERR_KUBE_CONFIG') && !`${error.message}${error.stack ?? ''}`.includes(secret),
      text.slice(0, 80),
    );
  }
});

test('any text is taken or refused with the same error', () => {
  const value = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((v) => JSON.stringify({ users: v, clusters: v, contexts: v })),
  );
  fc.assert(
    fc.property(value, (text) => {
      try {
        remoteAccess(text);
      } catch (error) {
        assert.ok(KubeError.is(error, 'ERR_KUBE_CONFIG'));
      }
    }),
    { numRuns: 300 },
  );
});

test('a kubeconfig names its cluster by the current context', () => {
  const text = kubeconfig({ token: 'abc' });
  assert.equal(clusterNameOf(text), 'c2');
  for (const bad of ['', '[]', '{', text.replace('"current-context":"c2"', '"current-context":"c3"')])
    assert.throws(() => clusterNameOf(bad), { code: 'ERR_KUBE_CONFIG' });
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (any) => {
      try {
        assert.equal(typeof clusterNameOf(any), 'string');
      } catch (error) {
        assert.ok(KubeError.is(error, 'ERR_KUBE_CONFIG'));
      }
    }),
  );
});
