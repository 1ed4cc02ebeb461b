import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createSelfSignedRoot } from '@ambit/identity';
import { trustBundleProblems } from './bundle-validation.ts';

const pem = (organisation: string): string => createSelfSignedRoot({ trustDomain: organisation }).certPem;
const [one, two] = [pem('one'), pem('two')];
const problems = (name: string, signerName: string, trustBundle: string): string[] =>
  trustBundleProblems({ metadata: { name }, spec: { signerName, trustBundle } }).map(({ field }) => field);

test('the name of a bundle begins with its signer', () => {
  assert.deepEqual(problems('istio.io:istiod-ca:root-cert', 'istio.io/istiod-ca', one), []);
  assert.deepEqual(problems('root-cert', '', one), []);
  for (const name of ['root-cert', 'istio.io:other:root-cert', 'istio.io:istiod-ca:', 'istio.io:istiod-ca:Root'])
    assert.deepEqual(problems(name, 'istio.io/istiod-ca', one), ['metadata.name'], name);
  assert.deepEqual(problems('istio.io:istiod-ca:root-cert', '', one), ['metadata.name']);
});

test('a bundle has certificates, each once, and nothing else that is PEM', () => {
  for (const good of [one, `${one}${two}`, `# a comment\n${one}\nanother\n${two}`])
    assert.deepEqual(problems('a', '', good), []);
  const bad = [
    '',
    'no certificate',
    `${one}${one}`,
    one.replace('MII', 'XII'),
    one.slice(0, -10),
    `${one}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`,
    `-----BEGIN X509 CRL-----\n${one}`,
  ];
  for (const text of bad) assert.deepEqual(problems('a', '', text), ['spec.trustBundle'], text.slice(0, 60));
});

test('any text gets a verdict', () => {
  const part = fc.oneof(fc.string(), fc.constantFrom(one, '-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----'));
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.array(part), (name, signer, parts) => {
      assert.ok(Array.isArray(problems(name, signer, parts.join('\n'))));
    }),
  );
});
