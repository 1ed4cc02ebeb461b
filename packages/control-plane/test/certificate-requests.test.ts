// The certificate authority as a caller meets it on 15012: who may ask, what is refused, and with which gRPC code (spec
// control-plane 5.1, 5.4, 4.6). The whole control plane over a Kubernetes API in memory.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { certificatesOfPem, createKeyAndCsr, toPem } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import { memoryCluster } from '@ambit/kube/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { type ControlPlane, readConfig, startControlPlane } from '../src/index.ts';
import { type Ask, askCertificate, namesOfAnswer as names } from './ask-certificate.ts';
import { putNodeWithPod } from './node-with-pod.ts';

const OWN = 'spiffe://cluster.local/ns/istio-system/sa/ztunnel';
const POD = 'spiffe://cluster.local/ns/apps/sa/default';
const cluster = memoryCluster();
const metrics = createMetricsRegistry();
let app: ControlPlane;

before(async () => {
  putNodeWithPod(cluster);
  app = await startControlPlane({
    config: readConfig({ AMBIT_LISTEN_HOST: '127.0.0.1', CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel' }),
    client: cluster,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  await app.cluster.synced;
});
after(async () => {
  await app.close();
  metrics.close();
});

const ask = (request: Ask): ReturnType<typeof askCertificate> => askCertificate(app, request);

test('a node proxy gets the identity of a pod on its node, and without impersonation its own; names in the CSR do not count', async () => {
  const { csrPem } = await createKeyAndCsr('spiffe://cluster.local/ns/kube-system/sa/admin');
  assert.deepEqual(names(await ask({ csr: csrPem, token: 'ztunnel', identity: POD })), [POD]);
  assert.deepEqual(names(await ask({ csr: csrPem, token: 'ztunnel' })), [OWN]);
});

test('a client certificate counts as well as a token, and never allows to act for others', async () => {
  const { csrPem, privateKeyPem } = await createKeyAndCsr(OWN);
  const chain = await ask({ csr: csrPem, token: 'ztunnel' });
  assert.ok(Array.isArray(chain));
  const certificate = { key: privateKeyPem, chain: chain[0] };
  assert.deepEqual(names(await ask({ csr: csrPem, certificate })), [OWN]);
  assert.equal(await ask({ csr: csrPem, certificate, identity: POD }), status.UNAUTHENTICATED);
});

test('a certificate of somebody else, no credentials and a wrong token are UNAUTHENTICATED', async () => {
  const { csrPem } = await createKeyAndCsr(OWN);
  const foreign = await testCa({ trustDomain: 'cluster.local' }).issue(OWN);
  const certificate = { key: foreign.privateKeyPem, chain: foreign.certChainPem };
  for (const attempt of [{ certificate }, {}, { token: 'wrong' }]) {
    assert.equal(await ask({ csr: csrPem, ...attempt }), status.UNAUTHENTICATED);
  }
});

test('identities of other nodes, other clusters, other trust domains and broken ones are UNAUTHENTICATED', async () => {
  const { csrPem: csr } = await createKeyAndCsr(POD);
  for (const identity of [
    'spiffe://cluster.local/ns/apps/sa/admin',
    'spiffe://other/ns/apps/sa/default',
    'spiffe://cluster.local/ns/apps',
    'cluster.local/ns/apps/sa/default',
  ]) {
    assert.equal(await ask({ csr, token: 'ztunnel', identity }), status.UNAUTHENTICATED, identity);
  }
  assert.equal(await ask({ csr, token: 'ztunnel', identity: POD, clusterId: 'other' }), status.UNAUTHENTICATED);
});

test('requests that cannot be signed are INVALID_ARGUMENT: broken, wrongly signed, weak, oversized, too long a life', async () => {
  const { csrPem } = await createKeyAndCsr(POD);
  const [der = Buffer.alloc(0)] = certificatesOfPem(csrPem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'));
  const forged = Buffer.from(der);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const weakKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' });
  for (const csr of [
    '',
    'nonsense',
    weakKey.toString(),
    toPem('CERTIFICATE REQUEST', forged),
    toPem('CERTIFICATE REQUEST', der.subarray(0, 40)),
    toPem('CERTIFICATE REQUEST', Buffer.alloc(600_000, 1)),
  ]) {
    assert.equal(await ask({ csr, token: 'ztunnel', identity: POD }), status.INVALID_ARGUMENT, csr.slice(0, 60));
  }
  const year = 365n * 86_400n;
  assert.equal(await ask({ csr: csrPem, token: 'ztunnel', identity: POD, seconds: year }), status.INVALID_ARGUMENT);
});
