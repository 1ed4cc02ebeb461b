import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createIntermediate, createSelfSignedRoot, type SignerMaterial, toPem } from '@ambit/identity';
import { testRevocationList } from '@ambit/identity/testing';
import { silentLogger } from '@ambit/runtime/log';
import { type CaMaterial, keepAuthority } from './authority-keeper.ts';
import { materialOfFolder, watchPluggedCa } from './plugged-ca.ts';

const lives = { defaultTtlMs: 3_600_000, maxTtlMs: 7_200_000 };

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-ca-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function write(folder: string, { certPem, keyPem, rootPem, chainPem }: SignerMaterial): void {
  writeFileSync(join(folder, 'ca-cert.pem'), certPem);
  writeFileSync(join(folder, 'ca-key.pem'), keyPem);
  writeFileSync(join(folder, 'root-cert.pem'), rootPem);
  writeFileSync(join(folder, 'cert-chain.pem'), chainPem);
}

test('all files or none: a folder with some of them is a mistake', async () => {
  await inFolder(async (folder) => {
    assert.equal(await materialOfFolder(folder), undefined);
    writeFileSync(join(folder, 'ca-cert.pem'), 'x');
    await assert.rejects(materialOfFolder(folder), { code: 'ERR_CONTROL_PLANE_CA_MATERIAL' });
  });
});

test('the layout of a TLS secret gives its certificate and root as chain', async () => {
  await inFolder(async (folder) => {
    const root = createSelfSignedRoot({ trustDomain: 'a' });
    const { certPem, keyPem } = createIntermediate(root, { commonName: 'i' });
    writeFileSync(join(folder, 'tls.crt'), certPem);
    writeFileSync(join(folder, 'tls.key'), keyPem);
    writeFileSync(join(folder, 'ca.crt'), root.rootPem);
    const material = await materialOfFolder(folder);
    assert.equal(material?.chainPem, certPem + root.rootPem);
    assert.ok(material && keepAuthority(material, lives));
  });
});

test('revocation lists are taken when each authority of the chain has one, and else refused with its place', async () => {
  await inFolder(async (folder) => {
    const root = createSelfSignedRoot({ trustDomain: 'a' });
    const intermediate = createIntermediate(root, { commonName: 'i' });
    write(folder, { ...intermediate, chainPem: intermediate.certPem + root.certPem });
    const lists = async (...signers: readonly SignerMaterial[]): Promise<CaMaterial> => {
      const pem = signers.map((signer) => toPem('X509 CRL', testRevocationList(signer, ['01'])));
      writeFileSync(join(folder, 'ca-crl.pem'), pem.join(''));
      const material = await materialOfFolder(folder);
      assert.ok(material);
      return material;
    };
    const full = await lists(intermediate, root);
    assert.equal(keepAuthority(full, lives).crlPem, full.crlPem);
    for (const partial of [await lists(intermediate), await lists(root)]) {
      assert.throws(() => keepAuthority(partial, lives), /no list of certificate [12]/u);
    }
    const stranger = await lists(root, createIntermediate(root, { commonName: 'i' }));
    assert.throws(() => keepAuthority(stranger, lives), /no list of certificate 1/u, 'the same name is not enough');
    writeFileSync(join(folder, 'ca-crl.pem'), toPem('X509 CRL', Buffer.from('nonsense')));
    const broken = await materialOfFolder(folder);
    assert.ok(broken);
    assert.throws(() => keepAuthority(broken, lives), { code: 'ERR_IDENTITY_INVALID_CRL' });
  });
});

test('another intermediate of the same root is in force at once, another root is not', async () => {
  await inFolder(async (folder) => {
    const root = createSelfSignedRoot({ trustDomain: 'a' });
    const [one, two] = [createIntermediate(root, { commonName: '1' }), createIntermediate(root, { commonName: '2' })];
    write(folder, one);
    const first = await materialOfFolder(folder);
    assert.ok(first);
    const keeper = keepAuthority(first, lives);
    using _watch = watchPluggedCa({ folder, keeper, isMultiRoot: false, log: silentLogger });
    const changed = Promise.withResolvers<void>();
    keeper.onChange(changed.resolve);
    write(folder, createIntermediate(createSelfSignedRoot({ trustDomain: 'b' }), { commonName: 'x' }));
    write(folder, two);
    await changed.promise;
    assert.equal(keeper.material.certPem, two.certPem);
    assert.equal(keeper.current.rootPem, root.rootPem);
  });
});
