import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import fc from 'fast-check';

import { IdentityError } from '../errors.ts';
import { createKeyAndCsr, parseCsr } from './csr.ts';
import { pemBlocks, toPem } from './pem.ts';

const identity = 'spiffe://cluster.local/ns/shop/sa/cart';
const hasOpenssl = isRunnable('openssl');

function isRunnable(program: string): boolean {
  try {
    execFileSync(program, ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function inTemporaryFolder<T>(run: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), `ambit-t-${process.pid}-`));
  try {
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a request that was made here reads back with its key and name', async () => {
  const { csrPem, privateKeyPem } = await createKeyAndCsr(identity);
  const csr = parseCsr(csrPem);
  assert.match(privateKeyPem, /^-----BEGIN PRIVATE KEY-----/);
  assert.equal(csr.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.deepEqual(csr.requestedNames.uris, [identity]);
  assert.equal(csr.hasCommonName, false);
});

test('every new request has a new key', async () => {
  const [one, two] = await Promise.all([createKeyAndCsr(identity), createKeyAndCsr(identity)]);
  assert.notEqual(one?.privateKeyPem, two?.privateKeyPem);
});

test('a request whose bytes were changed is refused', async () => {
  const { csrPem } = await createKeyAndCsr(identity);
  const [der] = pemBlocks(csrPem, 'CERTIFICATE REQUEST');
  assert.ok(der);
  const at = der.indexOf('cart');
  der.write('card', at, 'latin1');
  assert.throws(() => parseCsr(toPem('CERTIFICATE REQUEST', der)), { code: 'ERR_IDENTITY_INVALID_CSR' });
});

test('damaged requests are refused with our error and nothing else', async () => {
  const { csrPem } = await createKeyAndCsr(identity);
  const [der] = pemBlocks(csrPem, 'CERTIFICATE REQUEST');
  assert.ok(der);
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(der.length), (at, mask, cut) => {
      const bytes = Buffer.from(der);
      bytes[at] = (bytes[at] ?? 0) ^ mask;
      for (const damaged of [bytes, der.subarray(0, cut)]) {
        try {
          parseCsr(toPem('CERTIFICATE REQUEST', damaged));
        } catch (error) {
          assert.ok(IdentityError.is(error), String(error));
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('text that is no request is refused', () => {
  for (const text of [
    '',
    'hello',
    '-----BEGIN CERTIFICATE REQUEST-----',
    '-----BEGIN CERTIFICATE REQUEST-----\n!!\n-----END CERTIFICATE REQUEST-----\n',
  ]) {
    assert.throws(
      () => parseCsr(text),
      (error) => IdentityError.is(error),
      text,
    );
  }
});

test('openssl accepts our request and sees an empty subject and one critical name', { skip: !hasOpenssl }, async () => {
  const { csrPem } = await createKeyAndCsr(identity);
  const text = execFileSync('openssl', ['req', '-noout', '-text', '-verify'], {
    input: csrPem,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  assert.match(text, /Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/shop\/sa\/cart/);
  assert.match(text, /Subject:\s*\n/);
  assert.match(text, /ecdsa-with-SHA256/);
  assert.match(text, /prime256v1/);
});

test('requests made by openssl with P-256, P-384 and RSA keys are read', { skip: !hasOpenssl }, () => {
  const keys = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ];
  for (const { privateKey } of keys) {
    const csrPem = inTemporaryFolder((folder) => {
      const keyFile = join(folder, 'key.pem');
      writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      const args = [
        'req',
        '-new',
        '-key',
        keyFile,
        '-subj',
        '/CN=x',
        '-addext',
        `subjectAltName=critical,URI:${identity},DNS:a.example`,
      ];
      return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    });
    const csr = parseCsr(csrPem);
    assert.equal(csr.hasCommonName, true);
    assert.deepEqual(csr.requestedNames, { uris: [identity], dnsNames: ['a.example'], ipHex: [] });
  }
});

test('an RSA key of 1024 bits is refused', { skip: !hasOpenssl }, () => {
  const csrPem = inTemporaryFolder((folder) => {
    const keyFile = join(folder, 'key.pem');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const args = ['req', '-new', '-key', keyFile, '-subj', '/CN=x'];
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  });
  assert.throws(() => parseCsr(csrPem), { code: 'ERR_IDENTITY_INVALID_CSR' });
});
