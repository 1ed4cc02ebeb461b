import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';

import fc from 'fast-check';

import { createCertificateAuthority, signerOf } from './certificate-authority.ts';
import type { SignerMaterial } from './certificate-authority.ts';
import { IdentityError } from './errors.ts';
import type { IdentityErrorCode } from './errors.ts';
import { createPeerVerifier } from './peer.ts';
import type { PeerVerifierOptions } from './peer.ts';
import { createIntermediate, createSelfSignedRoot } from './signer-material.ts';
import { testCa, testRevocationList } from './testing/index.ts';
import { createTrustStore } from './trust-store.ts';
import { buildCertificate, buildName } from './x509/build-certificate.ts';
import type { CertificateProfile } from './x509/build-certificate.ts';
import { parseRevocationLists } from './x509/crl.ts';
import { createKeyAndCsr } from './x509/csr.ts';
import { certificatesOfPem, toPem } from './x509/pem.ts';
import { readCertificate } from './x509/read-certificate.ts';

const identity = 'spiffe://cluster.local/ns/shop/sa/cart';
const dayMs = 24 * 3_600_000;

/** A leaf with freely chosen contents, signed by `material`. */
function forgeLeaf(material: SignerMaterial, change: Partial<CertificateProfile> = {}): Buffer {
  const signer = signerOf(
    readCertificate(certificatesOfPem(material.certPem)[0] ?? Buffer.alloc(0)),
    createPrivateKey(material.keyPem),
  );
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return buildCertificate(
    {
      kind: 'leaf',
      subjectDer: buildName({}),
      publicKeyDer: publicKey.export({ type: 'spki', format: 'der' }),
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + dayMs,
      names: [identity],
      ...change,
    },
    signer,
  );
}

function refusal(chain: readonly Buffer[], options: PeerVerifierOptions): IdentityErrorCode | 'accepted' {
  try {
    createPeerVerifier(options)(chain);
    return 'accepted';
  } catch (error) {
    assert.ok(IdentityError.is(error), String(error));
    return error.code;
  }
}

test('a peer is accepted only when chain, time, purpose, identity and trust domain fit', () => {
  const root = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const other = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const leaf = forgeLeaf(root);
  const roots = root.rootPem;
  const peerRole = 'server';
  const second = 'spiffe://cluster.local/ns/shop/sa/second';
  const cases: readonly (readonly [string, readonly Buffer[], PeerVerifierOptions, IdentityErrorCode | 'accepted'])[] =
    [
      ['plain', [leaf], { roots, peerRole }, 'accepted'],
      ['as client', [leaf], { roots, peerRole: 'client' }, 'accepted'],
      ['expected', [leaf], { roots, peerRole, expected: ['spiffe://x/ns/y/sa/z', identity] }, 'accepted'],
      ['unexpected', [leaf], { roots, peerRole, expected: [second] }, 'ERR_IDENTITY_UNEXPECTED_PEER'],
      ['nothing expected', [leaf], { roots, peerRole, expected: [] }, 'ERR_IDENTITY_UNEXPECTED_PEER'],
      ['trust domain', [leaf], { roots, peerRole, trustDomain: 'cluster.local' }, 'accepted'],
      [
        'other trust domain',
        [leaf],
        { roots, peerRole, trustDomain: 'cluster.loca' },
        'ERR_IDENTITY_WRONG_TRUST_DOMAIN',
      ],
      ['no certificate', [], { roots, peerRole }, 'ERR_IDENTITY_NO_PEER_CERTIFICATE'],
      ['garbage', [Buffer.from('hello')], { roots, peerRole }, 'ERR_IDENTITY_INVALID_CERTIFICATE'],
      ['other root', [leaf], { roots: other.rootPem, peerRole }, 'ERR_IDENTITY_UNTRUSTED_CHAIN'],
      ['second of two roots', [leaf], { roots: other.rootPem + roots, peerRole }, 'accepted'],
      ['root as leaf', certificatesOfPem(roots), { roots, peerRole }, 'ERR_IDENTITY_WRONG_PURPOSE'],
      ['too many', Array.from({ length: 40 }, () => leaf), { roots, peerRole }, 'ERR_IDENTITY_UNTRUSTED_CHAIN'],
      ['expired', [forgeLeaf(root, { notAfter: Date.now() - 1000 })], { roots, peerRole }, 'ERR_IDENTITY_EXPIRED'],
      ['not yet', [forgeLeaf(root, { notBefore: Date.now() + 60_000 })], { roots, peerRole }, 'ERR_IDENTITY_EXPIRED'],
      ['ca leaf', [forgeLeaf(root, { kind: 'ca' })], { roots, peerRole }, 'ERR_IDENTITY_WRONG_PURPOSE'],
      ['no name', [forgeLeaf(root, { names: [] })], { roots, peerRole }, 'ERR_IDENTITY_NO_SPIFFE_ID'],
      ['dns name', [forgeLeaf(root, { names: ['a.example'] })], { roots, peerRole }, 'ERR_IDENTITY_NO_SPIFFE_ID'],
      [
        'odd uri',
        [forgeLeaf(root, { names: ['spiffe://td/workload'] })],
        { roots, peerRole },
        'ERR_IDENTITY_NO_SPIFFE_ID',
      ],
      ['two names', [forgeLeaf(root, { names: [identity, second] })], { roots, peerRole }, 'ERR_IDENTITY_NO_SPIFFE_ID'],
      [
        'two names, upstream rule',
        [forgeLeaf(root, { names: ['spiffe://odd', identity, second] })],
        { roots, peerRole, uriNames: 'first-parsable', expected: [second] },
        'accepted',
      ],
    ];
  for (const [name, chain, options, expected] of cases) assert.equal(refusal(chain, options), expected, name);
});

test('a leaf that is not a CA cannot vouch for another certificate', async () => {
  const ca = testCa();
  const own = await ca.issue(identity);
  const ownDer = certificatesOfPem(own.certChainPem)[0] ?? Buffer.alloc(0);
  const forged = forgeLeaf({ certPem: own.certChainPem, keyPem: own.privateKeyPem, chainPem: '', rootPem: ca.rootPem });
  assert.equal(refusal([forged, ownDer], { roots: ca.rootPem, peerRole: 'server' }), 'ERR_IDENTITY_UNTRUSTED_CHAIN');
});

test('path length constraints and expired intermediates end a chain', () => {
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const strict = createIntermediate(root, { commonName: 'strict', pathLength: 0 });
  const below = createIntermediate(strict, { commonName: 'below' });
  const options: PeerVerifierOptions = { roots: root.rootPem, peerRole: 'client' };
  const chainOf = (material: SignerMaterial): Buffer[] => [
    forgeLeaf(material),
    ...certificatesOfPem(material.chainPem),
  ];
  assert.equal(refusal(chainOf(strict), options), 'accepted');
  assert.equal(refusal(chainOf(below), options), 'ERR_IDENTITY_UNTRUSTED_CHAIN');
  const past = createIntermediate(root, { commonName: 'past', now: Date.now() - 2 * dayMs, ttlMs: dayMs });
  assert.equal(refusal(chainOf(past), options), 'ERR_IDENTITY_EXPIRED');
});

test('intermediates may come in any order, with strangers and garbage in between', () => {
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const deep = createIntermediate(createIntermediate(root, { commonName: 'one' }), { commonName: 'two' });
  const stranger = certificatesOfPem(createSelfSignedRoot({ trustDomain: 'x' }).certPem);
  const chain = [
    forgeLeaf(deep),
    ...stranger,
    Buffer.from('garbage'),
    ...certificatesOfPem(deep.chainPem).toReversed(),
  ];
  assert.equal(refusal(chain, { roots: root.rootPem, peerRole: 'server' }), 'accepted');
});

test('many intermediates with one name do not cause many signature checks', () => {
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const twins = Array.from({ length: 12 }, () => createIntermediate(root, { commonName: 'twin' }));
  const leaf = forgeLeaf(createIntermediate(createSelfSignedRoot({ trustDomain: 'evil' }), { commonName: 'twin' }));
  const chain = [leaf, ...twins.flatMap((twin) => certificatesOfPem(twin.certPem))];
  assert.equal(refusal(chain, { roots: root.rootPem, peerRole: 'server' }), 'ERR_IDENTITY_UNTRUSTED_CHAIN');
});

test('a remembered chain is checked against the clock again', () => {
  let now = Date.now();
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const store = createTrustStore({ rootsPem: root.rootPem, now: () => now });
  const verify = createPeerVerifier({ roots: store, peerRole: 'server' });
  const leaf = forgeLeaf(root);
  assert.equal(verify([leaf]).path, verify([leaf]).path);
  now += 2 * dayMs;
  assert.throws(() => verify([leaf]), { code: 'ERR_IDENTITY_EXPIRED' });
});

test('the cache keeps to its size', () => {
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const store = createTrustStore({ rootsPem: root.rootPem, cacheSize: 1 });
  const [one, two] = [forgeLeaf(root), forgeLeaf(root)];
  const path = store.verify([one], 'server');
  store.verify([two], 'server');
  assert.notEqual(store.verify([one], 'server'), path);
});

test('damaged certificates are refused with our error and nothing else', () => {
  const root = createSelfSignedRoot({ trustDomain: 'td' });
  const leaf = forgeLeaf(root);
  const store = createTrustStore({ rootsPem: root.rootPem });
  fc.assert(
    fc.property(fc.nat(leaf.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const damaged = Buffer.from(leaf);
      damaged[at] = (damaged[at] ?? 0) ^ mask;
      assert.notEqual(refusal([damaged], { roots: store, peerRole: 'server' }), 'accepted');
    }),
    { numRuns: 300 },
  );
});

test('a revocation list refuses the listed serial when its issuer signed it', async () => {
  const root = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const impostor = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const authority = createCertificateAuthority({ material: root });
  const issue = async (): Promise<{ der: Buffer; serial: string }> => {
    const issued = authority.issue((await createKeyAndCsr(identity)).csrPem, [identity]);
    return { der: certificatesOfPem(issued.chainPem[0])[0] ?? Buffer.alloc(0), serial: issued.serial };
  };
  const [good, bad] = [await issue(), await issue()];
  let lists = parseRevocationLists(Buffer.from(toPem('X509 CRL', testRevocationList(root, [bad.serial]))));
  const verify = createPeerVerifier({ roots: root.rootPem, peerRole: 'client', crl: () => lists });
  assert.equal(verify([good.der]).uri, identity);
  assert.throws(() => verify([bad.der]), { code: 'ERR_IDENTITY_REVOKED' });
  lists = parseRevocationLists(testRevocationList(impostor, [bad.serial]));
  assert.equal(verify([bad.der]).uri, identity);
  lists = parseRevocationLists(Buffer.alloc(0));
  assert.equal(lists.size, 0);
  const live = verify([good.der]);
  lists = parseRevocationLists(testRevocationList(root, [good.serial]));
  assert.equal(lists.isRevoked(live.path), true, 'a live session can be judged again');
});

test('an unreadable revocation list is an error of its own', () => {
  assert.throws(() => parseRevocationLists(Buffer.from('3003020101', 'hex')), { code: 'ERR_IDENTITY_INVALID_CRL' });
  assert.equal(parseRevocationLists(Buffer.from('no block at all')).size, 0);
});
