// The process as a whole where no cluster is needed: what it prints and how it exits.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { clusterAccess, secretsAccess } from '../src/cluster-access.ts';

const main = join(import.meta.dirname, '../src/main.ts');

/** Runs the process with nothing of ours in its environment but what is given. */
async function run(args: readonly string[], env: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--conditions=@ambit/source', main, ...args],
      { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: 60_000 },
      (_error, stdout, stderr) => resolve({ status: child.exitCode ?? -1, text: stdout + stderr }),
    );
  });
}

test('a control plane without any cluster says what is missing and what to do', async () => {
  const home = await mkdtemp(join(tmpdir(), 'ambit-home-'));
  try {
    const { status, text } = await run(['discovery'], { HOME: home });
    assert.equal(status, 1);
    assert.match(text, /^no Kubernetes cluster is configured\nwhy: there is no kubeconfig .*\ntry: set KUBECONFIG /mu);
  } finally {
    await rm(home, { recursive: true });
  }
});

test('version prints the release and the build, an unknown command its name and the usage', async () => {
  const version = await run(['version'], {});
  assert.deepEqual([version.status, /^\d+\.\d+\.\d+-ambit-Clean\n$/u.test(version.text)], [0, true]);
  const unknown = await run(['discover'], {});
  assert.equal(unknown.status, 1);
  assert.match(unknown.text, /^unknown command: discover\nusage: /u);
});

test('inside a cluster a KUBECONFIG without a file means the cluster around, one with a file means what it says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ambit-kubeconfig-'));
  const inside = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: 443 };
  try {
    // This machine is no pod: the error tells which way was taken.
    await assert.rejects(clusterAccess({ ...inside, KUBECONFIG: join(folder, 'config') }), /service account file/u);
    const file = join(folder, 'remote');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      users: [{ name: 'u', user: { token: 'not a secret' } }],
      'current-context': 'x',
    };
    await writeFile(file, JSON.stringify(config));
    assert.equal((await clusterAccess({ ...inside, KUBECONFIG: file })).server, 'https://10.0.0.1:6443');
    await writeFile(file, JSON.stringify(config).replace('https://', 'http://'));
    await assert.rejects(clusterAccess({ ...inside, KUBECONFIG: file }), /names the server http:/u);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('Secrets of other clusters are read around the process only when both variables say so', async () => {
  const inside = { KUBECONFIG: undefined, KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: 443 };
  const asked = { EXTERNAL_ISTIOD: true, LOCAL_CLUSTER_SECRET_WATCHER: true };
  assert.equal(await secretsAccess({ ...inside, ...asked, EXTERNAL_ISTIOD: false }), undefined);
  assert.equal(await secretsAccess({ ...inside, ...asked, LOCAL_CLUSTER_SECRET_WATCHER: false }), undefined);
  // This machine is no pod: the error tells which way was taken.
  await assert.rejects(secretsAccess({ ...inside, ...asked }), /service account file/u);
  const outside = { ...inside, KUBERNETES_SERVICE_HOST: undefined };
  await assert.rejects(secretsAccess({ ...outside, ...asked }), /no cluster around this process/u);
});
