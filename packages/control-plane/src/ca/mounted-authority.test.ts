import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkloadCertificate } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import { silentLogger } from '@ambit/runtime/log';
import { openMountedAuthority } from './mounted-authority.ts';

const NAME = 'istiod.istio-system.svc';

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-mounted-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
function write(folder: string, certificate: WorkloadCertificate): void {
  writeFileSync(join(folder, 'tls.crt'), certificate.certChainPem);
  writeFileSync(join(folder, 'tls.key'), certificate.privateKeyPem);
  writeFileSync(join(folder, 'ca.crt'), certificate.rootsPem);
}

test('a mounted certificate is served with its intermediates, its roots are trusted, and nothing is signed', async () => {
  await inFolder(async (folder) => {
    const ca = testCa({ intermediates: 1 });
    const certificate = await ca.issue(NAME);
    write(folder, certificate);
    const options = { folder, rootFile: join(folder, 'none'), log: silentLogger };
    using authority = await openMountedAuthority(options);
    assert.equal(authority?.serving.certChainPem, certificate.certChainPem);
    assert.equal(authority?.rootPem, ca.rootPem);
    assert.throws(() => authority?.signer.issue('', [], 0), { code: 'ERR_IDENTITY_CA_REFUSED' });

    const changed = Promise.withResolvers<void>();
    authority?.onChange(changed.resolve);
    const next = await ca.issue(NAME);
    write(folder, next);
    await changed.promise;
    assert.equal(authority?.serving.certChainPem, next.certChainPem);
  });
});

test('no files mean none, some or foreign ones are a mistake', async () => {
  await inFolder(async (folder) => {
    const options = { folder, rootFile: join(folder, 'none'), log: silentLogger };
    assert.equal(await openMountedAuthority(options), undefined);
    const [one, two] = [await testCa().issue(NAME), await testCa().issue(NAME)];
    writeFileSync(join(folder, 'tls.crt'), one.certChainPem);
    await assert.rejects(openMountedAuthority(options), { code: 'ERR_CONTROL_PLANE_CA_MATERIAL' });
    write(folder, { ...one, privateKeyPem: two.privateKeyPem });
    await assert.rejects(openMountedAuthority(options), { code: 'ERR_CONTROL_PLANE_CA_MATERIAL' });
    write(folder, { ...one, rootsPem: 'none' });
    await assert.rejects(openMountedAuthority(options), { code: 'ERR_CONTROL_PLANE_CA_MATERIAL' });
  });
});
