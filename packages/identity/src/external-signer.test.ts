import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateAuthority } from './certificate-authority.ts';
import { createExternalSigner, type ExternalSignerOptions, MAX_REQUESTS_UNDER_WAY } from './external-signer.ts';
import { createIntermediate, createSelfSignedRoot } from './signer-material.ts';
import { createKeyAndCsr } from './x509/csr.ts';

const WEB = 'spiffe://cluster.local/ns/apps/sa/web';
const DAY_MS = 24 * 3_600_000;

/** Another system with an intermediate; it certifies what stands in `names`. */
function system(names: readonly string[] = [WEB]) {
  const root = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const authority = createCertificateAuthority({ material: createIntermediate(root, { commonName: 'external' }) });
  const lives: number[] = [];
  const options: ExternalSignerOptions = {
    rootPem: () => root.rootPem,
    backend: {
      async sign({ csrPem, ttlMs }) {
        lives.push(ttlMs);
        return authority.issue(csrPem, names, ttlMs).chainPem.join('');
      },
    },
  };
  return { options, authority, lives, rootPem: root.rootPem };
}

test('the chain is leaf, intermediates, roots, whatever the order and repetition of the answer', async () => {
  const { options, rootPem, lives } = system();
  const between: string[] = [];
  const { csrPem } = await createKeyAndCsr(WEB);
  const { chainPem } = await createExternalSigner({ ...options, onIntermediates: (pem) => between.push(pem) }).issue(
    csrPem,
    [WEB],
    0,
  );
  assert.equal(chainPem.length, 3);
  assert.equal(chainPem[2], rootPem);
  assert.deepEqual(between, [chainPem[1]]);
  assert.deepEqual(lives, [DAY_MS], 'no wish means the default life');
});

test('a request for other names than allowed is the mistake of its sender and is not passed on', async () => {
  const { options, lives } = system();
  for (const asked of [['spiffe://cluster.local/ns/apps/sa/admin'], [WEB, 'admin.apps.svc'], []] as const) {
    const { csrPem } = await createKeyAndCsr(...asked);
    await assert.rejects(async () => createExternalSigner(options).issue(csrPem, [WEB], 0), {
      code: 'ERR_IDENTITY_INVALID_CSR',
    });
  }
  const { csrPem } = await createKeyAndCsr(WEB);
  await assert.rejects(async () => createExternalSigner(options).issue(csrPem, [WEB], 91 * DAY_MS), {
    code: 'ERR_IDENTITY_TTL_TOO_LONG',
  });
  assert.deepEqual(lives, []);
});

test('an answer for another key or other names, from another root or without a certificate is not believed', async () => {
  const { csrPem } = await createKeyAndCsr(WEB);
  const { csrPem: otherKey } = await createKeyAndCsr(WEB);
  const good = system();
  const answers: Record<string, () => string> = {
    'another key': () => good.authority.issue(otherKey, [WEB]).chainPem.join(''),
    'other names': () => good.authority.issue(csrPem, ['spiffe://cluster.local/ns/apps/sa/admin']).chainPem.join(''),
    'another root': () => system().authority.issue(csrPem, [WEB]).chainPem.join(''),
    'leaf without its intermediate': () => good.authority.issue(csrPem, [WEB]).chainPem[0],
    nothing: () => '',
    'no PEM': () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  };
  for (const [what, answer] of Object.entries(answers)) {
    const signer = createExternalSigner({ ...good.options, backend: { sign: async () => answer() } });
    await assert.rejects(async () => signer.issue(csrPem, [WEB], 0), { code: 'ERR_IDENTITY_CA_BAD_RESPONSE' }, what);
  }
});

test('a system that does not answer holds a bounded number of requests', async () => {
  const { options } = system();
  const answer = Promise.withResolvers<string>();
  const signer = createExternalSigner({ ...options, backend: { sign: () => answer.promise } });
  const { csrPem } = await createKeyAndCsr(WEB);
  const ask = async (): Promise<unknown> => signer.issue(csrPem, [WEB], 0);
  const waiting = Array.from({ length: MAX_REQUESTS_UNDER_WAY }, ask);
  await assert.rejects(ask, { code: 'ERR_IDENTITY_CA_REFUSED' });
  answer.reject(new Error('down'));
  const results = await Promise.allSettled(waiting);
  assert.ok(results.every((result) => result.status === 'rejected'));
});
