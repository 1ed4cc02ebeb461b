// What changes while the control plane runs (spec control-plane 2.3, 5.6, 5.7): which namespaces belong to the mesh, and plugged-in
// certificates. The whole control plane over a Kubernetes API in memory.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  certificatesOfPem,
  createIntermediate,
  createKeyAndCsr,
  createSelfSignedRoot,
  type SignerMaterial,
  toPem,
} from '@ambit/identity';
import { testRevocationList } from '@ambit/identity/testing';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import { testNamespace, testPod } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { type ControlPlane, readConfig, startControlPlane } from '../src/index.ts';
import { askCertificate } from './ask-certificate.ts';
import { putNodeWithPod } from './node-with-pod.ts';

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 2)))
    assert.ok(Date.now() < deadline, what);
}

async function start(
  cluster: MemoryCluster,
  env: Readonly<Record<string, string>>,
  stack: AsyncDisposableStack,
): Promise<ControlPlane> {
  const metrics = createMetricsRegistry();
  stack.defer(() => metrics.close());
  const app = await startControlPlane({
    config: readConfig({ AMBIT_LISTEN_HOST: '127.0.0.1', ...env }),
    client: cluster,
    log: silentLogger,
    metrics,
    ports: { plaintext: 0, tls: 0, monitoring: 0, readiness: 0 },
  });
  stack.defer(() => app.close());
  await app.cluster.synced;
  return app;
}

const dataIn = (
  cluster: MemoryCluster,
  namespace: string,
  name: string,
): Readonly<Record<string, string>> | undefined =>
  cluster.objects('ConfigMap').find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)?.data;

test('discovery selectors are exchanged while it runs: workloads and roots follow', async () => {
  await using stack = new AsyncDisposableStack();
  const cluster = memoryCluster();
  cluster.put(testNamespace('istio-system', { mesh: 'a' }));
  for (const name of ['a', 'b']) {
    cluster.put(testNamespace(`apps-${name}`, { mesh: name }));
    cluster.put(testPod(`apps-${name}`, 'web', name === 'a' ? '10.0.0.1' : '10.0.0.2'));
  }
  const select = (discoverySelectors: unknown): void =>
    cluster.put({
      kind: 'ConfigMap',
      metadata: { namespace: 'istio-system', name: 'istio' },
      data: { mesh: JSON.stringify({ discoverySelectors }) },
    });
  select([{ matchLabels: { mesh: 'a' } }]);
  const app = await start(cluster, {}, stack);
  const has = (name: string): boolean =>
    app.cluster.model.addresses.get(`Kubernetes//Pod/apps-${name}/web`) !== undefined;
  const hasRoot = (name: string): boolean =>
    dataIn(cluster, `apps-${name}`, 'istio-ca-root-cert')?.['root-cert.pem'] === app.rootPem;
  await until('the first selection', () => has('a') && hasRoot('a'));
  assert.deepEqual([has('b'), hasRoot('b')], [false, false]);

  select([{ matchExpressions: [{ key: 'mesh', operator: 'In', values: ['b'] }] }]);
  await until('the second selection', () => has('b') && !has('a') && hasRoot('b'));

  select([]);
  await until('everything', () => has('a') && has('b'));
});

test('plugged-in certificates are exchanged while it runs: leaves, the serving certificate and revocation lists follow', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-cacerts-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const write = (material: SignerMaterial, list: string): void => {
    writeFileSync(join(folder, 'ca-key.pem'), material.keyPem);
    writeFileSync(join(folder, 'root-cert.pem'), material.rootPem);
    writeFileSync(join(folder, 'cert-chain.pem'), material.chainPem);
    writeFileSync(join(folder, 'ca-crl.pem'), list);
    writeFileSync(join(folder, 'ca-cert.pem'), material.certPem);
  };
  const root = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const one = createIntermediate(root, { commonName: '1', ttlMs: 3_600_000 });
  const two = createIntermediate(root, { commonName: '2' });
  const listsOf = (...materials: SignerMaterial[]): string =>
    materials.map((material) => toPem('X509 CRL', testRevocationList(material, []))).join('');
  write(one, listsOf(one, root));

  const cluster = memoryCluster();
  putNodeWithPod(cluster);
  const env = { ROOT_CA_DIR: folder, CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel' };
  const app = await start(cluster, env, stack);
  const { csrPem: csr } = await createKeyAndCsr('spiffe://cluster.local/ns/istio-system/sa/ztunnel');
  /** Who signed a new leaf: the intermediate in the answer. */
  const signer = async (): Promise<string> => {
    const chain = await askCertificate(app, { csr, token: 'ztunnel' });
    assert.ok(typeof chain === 'object', `refused: ${JSON.stringify(chain)}`);
    assert.equal(chain.length, 3, 'leaf, intermediate, roots');
    return chain[1] ?? '';
  };
  const isOf = (pem: string, material: SignerMaterial): boolean =>
    certificatesOfPem(pem)[0]?.equals(certificatesOfPem(material.certPem)[0] ?? Buffer.alloc(0)) === true;
  assert.ok(isOf(await signer(), one));
  await until(
    'the root in a namespace',
    () => dataIn(cluster, 'apps', 'istio-ca-root-cert')?.['root-cert.pem'] === root.rootPem,
  );
  const before = dataIn(cluster, 'apps', 'istio-ca-crl')?.['ca-crl.pem'];

  const secondsLeft = async (what: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${app.ports.monitoring}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`citadel_server_${what}_expiry_seconds `));
    return Number(line?.split(' ')[1]);
  };
  assert.ok((await secondsLeft('cert_chain')) < 3_700, 'the intermediate of an hour');
  assert.ok((await secondsLeft('root_cert')) > 3_700);

  write(two, listsOf(two, root));
  await until('other revocation lists', () => {
    const now = dataIn(cluster, 'apps', 'istio-ca-crl')?.['ca-crl.pem'];
    return now !== undefined && now !== before;
  });
  assert.ok(isOf(await signer(), two));
  assert.equal(app.rootPem, root.rootPem);
});

test('a Gateway whose parameters are missing is told so, on every replica, until they are there', async () => {
  await using stack = new AsyncDisposableStack();
  const cluster = memoryCluster();
  for (const name of ['istio-system', 'apps']) cluster.put(testNamespace(name));
  const gateway = (name: string, parametersRef: object): void =>
    cluster.put({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { namespace: 'apps', name },
      spec: {
        gatewayClassName: 'istio-waypoint',
        listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
        infrastructure: { parametersRef },
      },
    });
  gateway('wp', { group: '', kind: 'ConfigMap', name: 'sizes' });
  gateway('odd', { group: '', kind: 'Secret', name: 'sizes' });
  const app = await start(cluster, {}, stack);
  const acceptedOf = (name: string): string => {
    const status = cluster.objects('Gateway').find(({ metadata }) => metadata.name === name)?.status;
    const condition = status?.conditions?.find(({ type }) => type === 'Accepted');
    return `${condition?.status} ${condition?.reason} ${condition?.message}`;
  };
  const missing = 'False InvalidParameters parametersRef ConfigMap apps/sizes does not exist';
  await until('the missing one', () => acceptedOf('wp') === missing);
  await until('the odd one', () => acceptedOf('odd').startsWith('False InvalidParameters Unsupported parametersRef'));

  // Another mesh configuration makes another model; what was found out stays.
  const { model } = app.cluster;
  cluster.put({
    kind: 'ConfigMap',
    metadata: { namespace: 'istio-system', name: 'istio' },
    data: { mesh: JSON.stringify({ trustDomain: 'other' }) },
  });
  await until('another model', () => app.cluster.model !== model);
  assert.equal(acceptedOf('wp'), missing);
  assert.equal(app.cluster.model.view().hasParameters('apps/sizes'), false);

  cluster.put({
    kind: 'ConfigMap',
    metadata: { namespace: 'apps', name: 'sizes' },
    data: { deployment: 'spec: {replicas: 2}' },
  });
  await until('accepted', () => acceptedOf('wp') === 'True Accepted Resource accepted');
  await until('deployed', () =>
    cluster.objects('Deployment').some(({ spec }) => (spec as { replicas?: number }).replicas === 2),
  );
  cluster.remove({ kind: 'ConfigMap', namespace: 'apps', name: 'sizes' });
  await until('missing again', () => acceptedOf('wp') === missing);
  gateway('wp', { group: '', kind: 'ConfigMap', name: 'other' });
  await until('another name', () => acceptedOf('wp').endsWith('apps/other does not exist'));
});
