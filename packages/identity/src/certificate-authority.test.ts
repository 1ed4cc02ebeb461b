import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { CLOCK_SKEW_MS, MAX_LEAF_TTL_MS, createCertificateAuthority } from './certificate-authority.ts';
import { issueLocally } from './issue-certificate.ts';
import { createIntermediate, createSelfSignedRoot } from './signer-material.ts';
import { createTrustStore } from './trust-store.ts';
import { createKeyAndCsr } from './x509/csr.ts';
import { certificatesOfPem } from './x509/pem.ts';

const identity = 'spiffe://cluster.local/ns/shop/sa/cart';
const hourMs = 3_600_000;
const hasOpenssl = isRunnable('openssl');

function isRunnable(program: string): boolean {
  try {
    execFileSync(program, ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('a leaf has the profile that node proxies expect', async () => {
  const now = Date.parse('2026-06-01T12:00:00Z');
  const material = createSelfSignedRoot({ trustDomain: 'cluster.local', now });
  const authority = createCertificateAuthority({ material, now: () => now });
  const { csrPem } = await createKeyAndCsr('spiffe://other/ns/x/sa/y');
  const issued = authority.issue(csrPem, [identity], hourMs);
  assert.equal(issued.chainPem.length, 2);
  assert.equal(issued.chainPem[1], material.rootPem);
  assert.equal(issued.notBefore, now - CLOCK_SKEW_MS);
  assert.equal(issued.notAfter, now + hourMs);
  assert.equal(issued.serial.length, 32);
  const leaf = new X509Certificate(issued.chainPem[0]);
  assert.equal(leaf.subject ?? '', '');
  assert.equal(leaf.subjectAltName, `URI:${identity}`);
  assert.equal(leaf.ca, false);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.ok(leaf.verify(new X509Certificate(material.rootPem).publicKey));
  assert.ok(leaf.checkIssued(new X509Certificate(material.rootPem)));
});

test('the requested life is kept within the default, the maximum and the signer', async () => {
  const now = Date.now();
  const material = createSelfSignedRoot({ trustDomain: 'td', now, ttlMs: 48 * hourMs });
  const authority = createCertificateAuthority({ material, now: () => now });
  const { csrPem } = await createKeyAndCsr(identity);
  const lifeMs = (ttlMs: number): number =>
    Math.round((authority.issue(csrPem, [identity], ttlMs).notAfter - now) / hourMs);
  assert.equal(lifeMs(0), 24);
  assert.equal(lifeMs(-5), 24);
  assert.equal(lifeMs(100 * hourMs), 48);
  assert.throws(() => lifeMs(MAX_LEAF_TTL_MS + 1), { code: 'ERR_IDENTITY_TTL_TOO_LONG' });
});

test('an expired signer refuses to sign', async () => {
  let now = Date.now();
  const material = createSelfSignedRoot({ trustDomain: 'td', now, ttlMs: hourMs });
  const authority = createCertificateAuthority({ material, now: () => now });
  const { csrPem } = await createKeyAndCsr(identity);
  now += 2 * hourMs;
  assert.throws(() => authority.issue(csrPem, [identity]), { code: 'ERR_IDENTITY_INVALID_SIGNER' });
});

test('leaves of an intermediate carry the chain and lead to the root', async () => {
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const material = createIntermediate(createIntermediate(root, { commonName: 'one' }), {
    commonName: 'two',
    pathLength: 0,
  });
  const authority = createCertificateAuthority({ material });
  const certificate = await issueLocally(authority, [identity]);
  const chain = certificatesOfPem(certificate.certChainPem);
  assert.equal(chain.length, 3);
  assert.equal(createTrustStore({ rootsPem: root.rootPem }).verify(chain, 'server').length, 4);
});

test('an RSA root loads and signs', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyPem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const authority = createCertificateAuthority({ material: createSelfSignedRoot({ trustDomain: 'td', keyPem }) });
  const certificate = await issueLocally(authority, [identity]);
  const chain = certificatesOfPem(certificate.certChainPem);
  assert.equal(createTrustStore({ rootsPem: certificate.rootsPem }).verify(chain, 'client').length, 2);
});

test('material whose parts do not belong together is refused', () => {
  const one = createSelfSignedRoot({ trustDomain: 'td' });
  const two = createSelfSignedRoot({ trustDomain: 'td' });
  const refused = { code: 'ERR_IDENTITY_INVALID_SIGNER' };
  assert.throws(() => createCertificateAuthority({ material: { ...one, keyPem: two.keyPem } }), refused);
  assert.throws(() => createCertificateAuthority({ material: { ...one, rootPem: two.rootPem } }), refused);
  assert.throws(() => createCertificateAuthority({ material: { ...one, certPem: '' } }), refused);
  assert.throws(
    () => createCertificateAuthority({ material: { ...one, keyPem: 'secret words' } }),
    (error: Error) => {
      return !error.message.includes('secret') && error.cause === undefined;
    },
  );
});

test('rotation of a root with its key keeps old leaves valid', async () => {
  const old = createSelfSignedRoot({ trustDomain: 'td' });
  const renewed = createSelfSignedRoot({ trustDomain: 'td', keyPem: old.keyPem });
  const certificate = await issueLocally(createCertificateAuthority({ material: old }), [identity]);
  const chain = certificatesOfPem(certificate.certChainPem);
  assert.equal(createTrustStore({ rootsPem: renewed.rootPem }).verify(chain, 'server').length, 2);
});

test('serving certificates hold DNS names and addresses', async () => {
  const authority = createCertificateAuthority({ material: createSelfSignedRoot({ trustDomain: 'td' }) });
  const certificate = await issueLocally(authority, [
    'istiod.istio-system.svc',
    '127.0.0.1',
    'fd00::1',
    '::ffff:10.0.0.1',
  ]);
  const leaf = new X509Certificate(certificate.certChainPem);
  assert.equal(leaf.checkHost('istiod.istio-system.svc', { subject: 'never' }), 'istiod.istio-system.svc');
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(leaf.checkIP('fd00::1'), 'fd00::1');
});

test('openssl verifies our chain and accepts a root made by openssl', { skip: !hasOpenssl }, async () => {
  const folder = mkdtempSync(join(tmpdir(), `ambit-t-${process.pid}-`));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const root = createSelfSignedRoot({ trustDomain: 'td' });
    const authority = createCertificateAuthority({ material: createIntermediate(root, { commonName: 'one' }) });
    const [leaf, intermediate, roots] = authority.issue((await createKeyAndCsr(identity)).csrPem, [identity]).chainPem;
    writeFileSync(file('leaf.pem'), leaf);
    writeFileSync(file('chain.pem'), intermediate ?? '');
    writeFileSync(file('root.pem'), roots ?? '');
    const verify = openssl(
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      file('root.pem'),
      '-untrusted',
      file('chain.pem'),
      file('leaf.pem'),
    );
    assert.match(verify, /OK/);

    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const keyPem = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
    writeFileSync(file('key.pem'), keyPem, { mode: 0o600 });
    const certPem = openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      file('key.pem'),
      '-subj',
      '/O=openssl',
      '-days',
      '2',
      '-addext',
      'keyUsage=critical,keyCertSign',
    );
    const foreign = createCertificateAuthority({ material: { certPem, keyPem, chainPem: '', rootPem: certPem } });
    const certificate = await issueLocally(foreign, [identity]);
    writeFileSync(file('leaf.pem'), certificate.certChainPem);
    writeFileSync(file('root.pem'), certPem);
    assert.match(openssl('verify', '-CAfile', file('root.pem'), file('leaf.pem')), /OK/);
    assert.equal(createPrivateKey(certificate.privateKeyPem).asymmetricKeyDetails?.namedCurve, 'prime256v1');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
