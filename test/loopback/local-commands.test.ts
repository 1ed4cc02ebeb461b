// `ambit local`: a cluster made from a file, images loaded while it runs, nodes switched off and on, everything forgotten, everything gone.
// Loopback mode, no rights needed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Loose, openTestCluster } from '../fixtures/local-cluster.ts';

const main = new URL('../../packages/cli/src/main.ts', import.meta.url).pathname;
const serve = (text: string): string =>
  `require('node:http').createServer((request, response) => response.end('${text}')).listen(8080, () => console.log('${text}'))`;

const clusterFile = (name: string): string => `
kind: LocalCluster
nodes: 1
mode: loopback
images:
- { match: test/first, command: ['\${NODE}', -e, ${JSON.stringify(serve('first'))}] }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: web, image: test/first, readinessProbe: { tcpSocket: { port: 8080 } } }] }
`;

test('ambit local: up with a file, load-image, stop, start and reboot of a node, reset, down', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'ambit-t-local-'));
  const ambit = async (...words: string[]): Promise<string> => {
    const child = spawn(process.execPath, ['--conditions=@ambit/source', main, 'local', ...words], {
      env: { ...process.env, AMBIT_LOCAL_DIR: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`ambit local ${words.join(' ')}: ${code}\n${out}\n${err}`);
    return out;
  };
  t.after(async () => {
    await ambit('down');
    rmSync(home, { recursive: true, force: true });
  });

  const file = join(home, 'mesh.yaml');
  writeFileSync(file, clusterFile('one'));
  assert.match(await ambit('up', '-f', file), /^export KUBECONFIG=.*local\/kubeconfig\n$/);
  const cluster = openTestCluster((await ambit('kubeconfig', '--path')).trim());
  assert.match(await ambit('kubeconfig'), /^apiVersion: v1\nkind: Config\n/);
  const pods = async (): Promise<Loose[]> =>
    (await cluster.api('GET', '/api/v1/namespaces/shop/pods')).items as Loose[];
  const isReady = ({ status }: Loose): boolean =>
    status?.conditions?.some(({ type, status: holds }: Loose) => type === 'Ready' && holds === 'True') === true;
  const [first] = await pods();
  assert.ok(isReady(first), 'up waits for what it applied');

  // The same file again, with another object: the running cluster takes it.
  writeFileSync(file, clusterFile('two').replaceAll('test/first', 'test/second'));
  const applied = ambit('up', '-f', file);
  await cluster.until('a pod', async () => (await pods()).length === 2);
  await applied;

  await ambit('load-image', 'test/third', '--', '${NODE}', '-e', serve('third'));
  await cluster.api('POST', '/api/v1/namespaces/shop/pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'third', namespace: 'shop' },
    spec: { containers: [{ name: 'web', image: 'test/third' }] },
  });
  await cluster.until('the loaded image', async () => (await cluster.log('shop', 'third')).includes('third'));

  const bootId = async (): Promise<string> =>
    (await cluster.api('GET', '/api/v1/nodes/node-1')).status.nodeInfo.bootID as string;
  const before = await bootId();
  await ambit('reboot', 'node-1');
  assert.notEqual(await bootId(), before);
  await cluster.until('pods that were restarted', async () =>
    (await pods()).every((pod) => isReady(pod) && pod.status.containerStatuses[0].restartCount === 1),
  );
  assert.deepEqual((await pods()).map(({ metadata }) => metadata.uid).includes(first.metadata.uid), true);

  await ambit('node', 'stop', 'node-1');
  const { renewTime } = (
    await cluster.api('GET', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1')
  ).spec as { renewTime: string };
  assert.ok(Date.parse(renewTime) <= Date.now());
  await cluster.api('DELETE', '/api/v1/namespaces/shop/pods/third?gracePeriodSeconds=0');
  await ambit('node', 'start', 'node-1');
  await cluster.until('pods that run again', async () =>
    (await pods()).every((pod) => isReady(pod) && pod.status.containerStatuses[0].restartCount === 2),
  );

  await ambit('reset');
  assert.equal((await cluster.api('GET', '/api/v1/namespaces/shop', undefined, { tolerate: true })).code, 404);
  assert.equal((await cluster.api('GET', '/api/v1/nodes')).items.length, 1);
});
