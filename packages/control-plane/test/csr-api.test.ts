// The signer over the CSR API against the API server of the local cluster, which runs as a process: subresources, conditions and deletion
// are a server's, not a double's. What signs is this test, as a controller of the cluster would.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createExternalSigner, createKeyAndCsr, parseCsr } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import type { RestClient } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { kubernetesCsrBackend } from '../src/ca/signers/kubernetes-csr.ts';
import { localCluster } from './local-cluster.ts';

const WEB = 'spiffe://cluster.local/ns/apps/sa/web';
const KIND = 'CertificateSigningRequest';

interface CsrStatus {
  readonly conditions?: readonly { readonly type: string }[];
  readonly certificate?: string;
}

/** Signs approved requests of one signer, through the status as controllers do. */
async function signOne(client: RestClient, sign: (csrPem: string) => string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const item of (await client.list(KIND)).items) {
      const object = item as KubernetesObject & { spec: { request: string }; status?: CsrStatus };
      const isApproved = object.status?.conditions?.some(({ type }) => type === 'Approved') === true;
      if (!isApproved || object.status?.certificate !== undefined) continue;
      const certificate = Buffer.from(sign(Buffer.from(object.spec.request, 'base64').toString())).toString('base64');
      await client.update({ ...object, status: { ...object.status, certificate } }, { subresource: 'status' });
    }
    await delay(25);
  }
}

test('an API server takes the request, the approval and the deletion of the signer', async () => {
  await using cluster = await localCluster();
  const { client } = cluster;
  const ca = testCa();
  const stop = new AbortController();
  const sign = (csrPem: string): string =>
    ca.authority.issue(csrPem, parseCsr(csrPem).requestedNames.uris).chainPem.join('');
  const signing = signOne(client, sign, stop.signal);
  try {
    const backend = kubernetesCsrBackend({ client, signer: 'example.com/mesh', signerDomain: '', log: silentLogger });
    const { csrPem } = await createKeyAndCsr(WEB);
    const { chainPem } = await createExternalSigner({ backend, rootPem: () => ca.rootPem }).issue(csrPem, [WEB], 0);
    assert.equal(chainPem.length, 2);
    assert.deepEqual((await client.list(KIND)).items, []);
  } finally {
    stop.abort();
    await signing;
  }
});

test('a request that nobody signs is given up after the deadline and does not stay', async () => {
  await using cluster = await localCluster();
  const { client } = cluster;
  const backend = kubernetesCsrBackend({
    client,
    signer: 'example.com/nobody',
    signerDomain: '',
    log: silentLogger,
    deadlineMs: 200,
  });
  const { csrPem } = await createKeyAndCsr(WEB);
  await assert.rejects(async () => backend.sign({ csrPem, ttlMs: 3_600_000, signerName: undefined }), {
    code: 'ERR_IDENTITY_CA_UNREACHABLE',
  });
  assert.deepEqual((await client.list(KIND)).items, []);
});
