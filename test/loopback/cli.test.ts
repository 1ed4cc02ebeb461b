// The command line against a local cluster: journeys A (install, label), B (waypoint), D (why), E (leave) of the tools' specification,
// headless, with what is printed and the exit status. Loopback mode, no rights needed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTestCluster, type TestCluster, webImage, webObjects } from '../fixtures/local-cluster.ts';

const main = new URL('../../packages/cli/src/main.ts', import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function ambit(cluster: TestCluster, ...words: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ['--conditions=@ambit/source', main, ...words], {
    env: { ...process.env, KUBECONFIG: join(cluster.stateDir, 'kubeconfig') },
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
  return { code, out, err };
}

/** Runs a command that has to end with this status. */
async function expect(cluster: TestCluster, status: number, ...words: string[]): Promise<Ended> {
  const ended = await ambit(cluster, ...words);
  assert.equal(ended.code, status, `ambit ${words.join(' ')}\n${ended.out}\n${ended.err}`);
  return ended;
}

test('install, label, explain, waypoint, leave: every command says what it did and ends with the status that CI needs', async () => {
  await using cluster = await startTestCluster('loopback', [webImage]);
  const { deployment, service } = webObjects('v1');
  await cluster.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
  await cluster.api('POST', '/api/v1/namespaces/default/services', service);

  // Journey A.
  const plan = await expect(cluster, 0, 'install', '--plan');
  assert.match(plan.out, /DaemonSet istio-system\/ztunnel/);
  await expect(cluster, 0, 'install', '--set', 'meshConfig.accessLogFile=/dev/stdout');
  await expect(cluster, 0, 'manifest', 'diff', '--set', 'meshConfig.accessLogFile=/dev/stdout');
  const version = await expect(cluster, 0, 'version');
  assert.match(version.out, /control plane version: dev\ndata plane version: dev \(2 proxies\)/);
  const before = await expect(cluster, 0, 'mesh', 'add', 'default', '--plan', '-o', 'json');
  const planned = JSON.parse(before.out) as { pods: { captured: boolean }[] };
  assert.ok(planned.pods.length === 2 && planned.pods.every(({ captured }) => captured));
  const added = await expect(cluster, 0, 'mesh', 'add', 'default', '-y');
  assert.match(added.err, /2 pods captured, no restart/);
  const nodes = await expect(cluster, 0, 'node', 'list', '-o', 'jsonpath={.items[*].proxy}');
  assert.equal(nodes.out.trim(), 'ready ready');
  const workloads = await expect(
    cluster,
    0,
    'ztunnel-config',
    'workloads',
    '--workload-namespace',
    'default',
    '--no-headers',
  );
  assert.equal(
    workloads.out
      .trim()
      .split('\n')
      .filter((line) => line.endsWith('HBONE')).length,
    2,
  );
  const proxies = await expect(cluster, 0, 'ps', '--no-headers');
  assert.match(proxies.out, /ztunnel-/);
  await expect(cluster, 64, 'mesh', 'ad');
  await expect(cluster, 2, 'mesh', 'add', 'nowhere');

  // Journey D: allowed, then denied by a policy that is named.
  const [pod] = (await cluster.api('GET', '/api/v1/namespaces/default/pods')).items as { metadata: { name: string } }[];
  const source = `pod/${pod?.metadata.name ?? ''}`;
  const allowed = await expect(cluster, 0, 'explain', source, 'svc/web:80');
  assert.match(allowed.out, /^ALLOWED/);
  await cluster.api('POST', '/apis/security.istio.io/v1/namespaces/default/authorizationpolicies', {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'nobody', namespace: 'default' },
    spec: { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['default'] } }] }] },
  });
  const denied = await expect(cluster, 3, 'explain', source, 'svc/web:80');
  assert.match(denied.out, /explicitly denied by: default\/nobody/);
  const where = await expect(cluster, 0, 'policy', 'where', 'nobody');
  assert.equal(where.out.split('\n').filter((line) => line.startsWith('node proxy')).length, 2);
  await cluster.api('DELETE', '/apis/security.istio.io/v1/namespaces/default/authorizationpolicies/nobody');

  // Journey B.
  await expect(cluster, 0, 'waypoint', 'apply', '--enroll-namespace', '--wait', '-y');
  const again = await expect(cluster, 0, 'waypoint', 'apply', '--enroll-namespace', '--wait', '-y');
  assert.match(again.out, /labeled with "istio.io\/use-waypoint: waypoint"/);
  await expect(cluster, 0, 'waypoint', 'status');
  await expect(cluster, 3, 'waypoint', 'apply', '--name', 'other', '--enroll-namespace', '-y');
  const list = await expect(cluster, 0, 'waypoint', 'list');
  assert.match(list.out, /waypoint +default +service \(default\) +True/);
  const through = await expect(cluster, 0, 'explain', source, 'svc/web:80', '--method', 'GET');
  assert.match(through.out, /waypoint +through default\/waypoint/);
  await expect(cluster, 3, 'waypoint', 'delete', 'waypoint', '-y');
  await expect(cluster, 0, 'waypoint', 'delete', 'waypoint', '--unenroll', '-y');
  await expect(cluster, 3, 'waypoint', 'delete', 'waypoint', '-y');

  // Journey E: nothing is left, and definitions stay.
  const left = await expect(cluster, 0, 'uninstall', '-y');
  assert.match(left.err, /nothing is left/);
  const status = await expect(cluster, 0, 'mesh', 'status', 'default', '--no-headers');
  assert.ok(
    status.out
      .trim()
      .split('\n')
      .every((line) => / no /.test(line)),
    status.out,
  );
});
