// Other systems that sign, behind the CA API: CertificateSigningRequests of Kubernetes, CertificateRequests of cert-manager, Vault. The whole
// control plane over a Kubernetes API in memory; the systems are small doubles that sign with keys made here.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createIntermediate,
  createKeyAndCsr,
  createSelfSignedRoot,
  parseCsr,
} from '@ambit/identity';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import type { KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { type ControlPlane, readConfig, startControlPlane } from '../src/index.ts';
import { askCertificate, namesOfAnswer } from './ask-certificate.ts';
import { putNodeWithPod } from './node-with-pod.ts';

const OWN = 'spiffe://cluster.local/ns/istio-system/sa/ztunnel';
const POD = 'spiffe://cluster.local/ns/apps/sa/default';

/** Another system: a root and an intermediate that signs what stands in a CSR. */
function system(): { readonly rootPem: string; sign(csrPem: string): readonly string[] } {
  const root = createSelfSignedRoot({ trustDomain: 'external' });
  const authority: CertificateAuthority = createCertificateAuthority({
    material: createIntermediate(root, { commonName: 'external' }),
  });
  return {
    rootPem: root.rootPem,
    sign(csrPem) {
      const { uris, dnsNames } = parseCsr(csrPem).requestedNames;
      return authority.issue(csrPem, [...uris, ...dnsNames]).chainPem;
    },
  };
}

/** A mesh with a node proxy and one pod on its node, and the roots of the system in its configuration. */
function clusterTrusting(rootPem: string): MemoryCluster {
  const cluster = memoryCluster();
  putNodeWithPod(cluster);
  putRoots(cluster, rootPem);
  return cluster;
}

function putRoots(cluster: MemoryCluster, ...roots: readonly string[]): void {
  const mesh = JSON.stringify({ caCertificates: roots.map((pem) => ({ pem })) });
  cluster.put({ kind: 'ConfigMap', metadata: { namespace: 'istio-system', name: 'istio' }, data: { mesh } });
}

async function start(cluster: MemoryCluster, env: Record<string, string>): Promise<ControlPlane & AsyncDisposable> {
  const metrics = createMetricsRegistry();
  const app = await startControlPlane({
    config: readConfig({
      AMBIT_LISTEN_HOST: '127.0.0.1',
      CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
      ...env,
    }),
    client: cluster,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  await app.cluster.synced;
  return Object.assign(app, {
    async [Symbol.asyncDispose]() {
      await app.close();
      metrics.close();
    },
  });
}

/** A controller that answers every new object of a kind by its status. */
function controller(
  cluster: MemoryCluster,
  kind: 'CertificateSigningRequest' | 'CertificateRequest',
  answer: (object: KubernetesObject) => object | undefined,
): AsyncDisposable & { readonly seen: KubernetesObject[] } {
  const stop = new AbortController();
  const seen: KubernetesObject[] = [];
  const run = async (): Promise<void> => {
    const answered = new Set<string>();
    for await (const event of cluster.watch(kind, '0', { signal: stop.signal })) {
      if (event.type === 'BOOKMARK' || event.type === 'DELETED') continue;
      const { object } = event;
      const name = object.metadata?.name ?? '';
      const next = answered.has(name) ? undefined : answer(object);
      if (next === undefined) continue;
      answered.add(name);
      seen.push(object);
      cluster.put({ ...object, status: { ...(object['status'] as object), ...next } });
    }
  };
  const done = run();
  return {
    seen,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

interface RequestSpec {
  readonly request: string;
  readonly signerName?: string;
  readonly issuerRef?: object;
}
const specOf = (object: KubernetesObject): RequestSpec => object['spec'] as RequestSpec;
const csrOf = (object: KubernetesObject): string => Buffer.from(specOf(object).request, 'base64').toString('utf8');
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const isApproved = (object: KubernetesObject): boolean =>
  ((object['status'] ?? {}) as { conditions?: { type: string }[] }).conditions?.some((c) => c.type === 'Approved') ===
  true;

test('the CSR API of Kubernetes signs what we approved, for our own serving names as well; objects do not stay', async () => {
  const other = system();
  const cluster = clusterTrusting(other.rootPem);
  await using signer = controller(cluster, 'CertificateSigningRequest', (object) =>
    isApproved(object) ? { certificate: base64(other.sign(csrOf(object)).join('')) } : undefined,
  );
  await using app = await start(cluster, {
    EXTERNAL_CA: 'ISTIOD_RA_KUBERNETES_API',
    K8S_SIGNER: 'example.com/mesh',
    CERT_SIGNER_DOMAIN: 'clusterissuers.example.com',
  });
  assert.equal(app.rootPem.trim(), other.rootPem.trim());
  const { csrPem: csr } = await createKeyAndCsr(POD);
  const chain = await askCertificate(app, { csr, token: 'ztunnel', identity: POD });
  assert.deepEqual(namesOfAnswer(chain), [POD]);
  assert.equal((chain as string[]).length, 3, 'leaf, intermediate, roots');
  const chosen = await askCertificate(app, { csr, token: 'ztunnel', identity: POD, signer: 'foo' });
  assert.deepEqual(namesOfAnswer(chosen), [POD]);
  assert.deepEqual(
    signer.seen.map((object) => specOf(object).signerName),
    ['example.com/mesh', 'example.com/mesh', 'clusterissuers.example.com/foo'],
  );
  assert.deepEqual(cluster.objects('CertificateSigningRequest'), []);
  // A client that proves itself by a certificate of the other system: gRPC hands out its leaf, we know the intermediate.
  const { csrPem, privateKeyPem } = await createKeyAndCsr(OWN);
  const own = await askCertificate(app, { csr: csrPem, token: 'ztunnel' });
  const certificate = { key: privateKeyPem, chain: (own as string[]).slice(0, 2).join('') };
  assert.deepEqual(namesOfAnswer(await askCertificate(app, { csr: csrPem, certificate })), [OWN]);
});

test('other names, and signers that may not be chosen, are INVALID_ARGUMENT; a refusal of the signer is INTERNAL', async () => {
  const other = system();
  const cluster = clusterTrusting(other.rootPem);
  let isRefusing = false;
  await using signer = controller(cluster, 'CertificateSigningRequest', (object) => {
    if (!isApproved(object)) return undefined;
    if (isRefusing) return { conditions: [{ type: 'Failed', status: 'True', message: 'no' }] };
    return { certificate: base64(other.sign(csrOf(object)).join('')) };
  });
  await using app = await start(cluster, { EXTERNAL_CA: 'ISTIOD_RA_KUBERNETES_API', K8S_SIGNER: 'example.com/mesh' });
  const atStart = signer.seen.length;
  const { csrPem: foreign } = await createKeyAndCsr('spiffe://cluster.local/ns/kube-system/sa/admin');
  const { csrPem: csr } = await createKeyAndCsr(POD);
  const ask = { token: 'ztunnel', identity: POD };
  assert.equal(await askCertificate(app, { ...ask, csr: foreign }), status.INVALID_ARGUMENT);
  assert.equal(await askCertificate(app, { ...ask, csr, signer: 'foo' }), status.INVALID_ARGUMENT);
  assert.equal(signer.seen.length, atStart, 'nothing was passed on');
  isRefusing = true;
  assert.equal(await askCertificate(app, { ...ask, csr }), status.INTERNAL);
});

test('cert-manager signs through its requests, and its refusal is INTERNAL', async () => {
  const other = system();
  const cluster = clusterTrusting(other.rootPem);
  let isRefusing = false;
  await using manager = controller(cluster, 'CertificateRequest', (object) =>
    isRefusing
      ? { conditions: [{ type: 'Denied', status: 'True', message: 'not by policy' }] }
      : { certificate: base64(other.sign(csrOf(object)).join('')) },
  );
  await using app = await start(cluster, {
    EXTERNAL_CA: 'AMBIT_RA_CERT_MANAGER',
    AMBIT_CERT_MANAGER_ISSUER: 'ClusterIssuer/mesh',
  });
  const { csrPem: csr } = await createKeyAndCsr(POD);
  const ask = { csr, token: 'ztunnel', identity: POD };
  assert.deepEqual(namesOfAnswer(await askCertificate(app, ask)), [POD]);
  const issuer = { group: 'cert-manager.io', kind: 'ClusterIssuer', name: 'mesh' };
  assert.ok(manager.seen.every((object) => JSON.stringify(specOf(object).issuerRef) === JSON.stringify(issuer)));
  assert.equal(manager.seen[0]?.metadata?.namespace, 'istio-system');
  isRefusing = true;
  assert.equal(await askCertificate(app, ask), status.INTERNAL);
  assert.deepEqual(cluster.objects('CertificateRequest'), []);
});

interface VaultDouble extends AsyncDisposable {
  readonly address: string;
  token: string;
}

async function vault(sign: (csrPem: string) => readonly string[]): Promise<VaultDouble> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const isAllowed = request.headers['x-vault-token'] === double.token;
      response.statusCode = !isAllowed ? 403 : request.url === '/v1/pki/sign/mesh' ? 200 : 404;
      if (response.statusCode !== 200) return response.end(JSON.stringify({ errors: ['permission denied'] }));
      const { csr } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { csr: string };
      const [certificate, ...rest] = sign(csr);
      return response.end(JSON.stringify({ data: { certificate, ca_chain: rest, issuing_ca: rest[0] } }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const double: VaultDouble = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: 'first',
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return double;
}

test('Vault signs with a token that is read for every request, and without the right one the answer is INTERNAL', async () => {
  const other = system();
  await using double = await vault((csr) => other.sign(csr));
  const folder = await mkdtemp(join(tmpdir(), 'ambit-vault-'));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'first\n');
  try {
    await using app = await start(clusterTrusting(other.rootPem), {
      EXTERNAL_CA: 'AMBIT_RA_VAULT',
      AMBIT_VAULT_ADDRESS: double.address,
      AMBIT_VAULT_PATH: 'pki/sign/mesh',
      AMBIT_VAULT_TOKEN_FILE: tokenFile,
    });
    const { csrPem: csr } = await createKeyAndCsr(POD);
    const ask = { csr, token: 'ztunnel', identity: POD };
    assert.deepEqual(namesOfAnswer(await askCertificate(app, ask)), [POD]);
    double.token = 'second';
    assert.equal(await askCertificate(app, ask), status.INTERNAL);
    await writeFile(tokenFile, 'second');
    assert.deepEqual(namesOfAnswer(await askCertificate(app, ask)), [POD]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('without roots there is no start; further roots are distributed when the mesh configuration names them', async () => {
  const other = system();
  const cluster = clusterTrusting(other.rootPem);
  await using _signer = controller(cluster, 'CertificateSigningRequest', (object) =>
    isApproved(object) ? { certificate: base64(other.sign(csrOf(object)).join('')) } : undefined,
  );
  const env = { EXTERNAL_CA: 'ISTIOD_RA_KUBERNETES_API', K8S_SIGNER: 'example.com/mesh' };
  putRoots(cluster, 'no certificate');
  await assert.rejects(async () => start(cluster, env), { code: 'ERR_CONTROL_PLANE_CA_MATERIAL' });
  putRoots(cluster, other.rootPem);
  await using app = await start(cluster, env);
  const distributed = (): string =>
    cluster.objects('ConfigMap').find((map) => map.metadata?.namespace === 'apps')?.data?.['root-cert.pem'] ?? '';
  const second = createSelfSignedRoot({ trustDomain: 'second' }).rootPem;
  putRoots(cluster, 'no certificate', other.rootPem, second);
  const deadline = Date.now() + 30_000;
  while (!distributed().includes(second.trim()) && Date.now() < deadline) await new Promise(setImmediate);
  assert.ok(distributed().includes(second.trim()), 'the second root is distributed');
  assert.ok(app.rootPem.includes(second.trim()));
});
