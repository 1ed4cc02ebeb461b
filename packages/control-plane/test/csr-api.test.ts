// The signer over the CSR API against the API server of the local cluster, which runs as a process: subresources, conditions and deletion
// are a server's, not a double's. What signs is this test, as a controller of the cluster would.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createExternalSigner, createKeyAndCsr, parseCsr } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import { createRestClient, kubeconfigAccess, type RestClient } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { kubernetesCsrBackend } from '../src/ca/signers/kubernetes-csr.ts';

const WEB = 'spiffe://cluster.local/ns/apps/sa/web';
const KIND = 'CertificateSigningRequest';
const main = join(import.meta.dirname, '../../local-cluster/src/main.ts');

async function localCluster(): Promise<AsyncDisposable & { readonly client: RestClient }> {
  const state = await mkdtemp(join(tmpdir(), 'ambit-t-csr-'));
  const words = ['--conditions=@ambit/source', main, 'up', '--state', state, '--mode', 'loopback'];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(state, { recursive: true, force: true });
  };
  try {
    const deadline = Date.now() + 60_000;
    while (!existsSync(join(state, 'cluster.json'))) {
      assert.ok(child.exitCode === null && Date.now() < deadline, `no local cluster\n${output}`);
      await delay(25);
    }
    const client = createRestClient(await kubeconfigAccess(join(state, 'kubeconfig')), { userAgent: 'test' });
    return {
      client,
      async [Symbol.asyncDispose]() {
        client.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

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
