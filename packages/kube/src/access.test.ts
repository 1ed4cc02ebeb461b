import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { kubeconfigAccess } from './access.ts';

const folder = mkdtempSync(join(tmpdir(), 'ambit-access-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A kubeconfig with one context, called like its cluster. */
function kubeconfig(name: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server: `https://${name}.example:6443` } }],
      users: [{ name, user: { token: name } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace: name } }],
      'current-context': name,
    }),
  );
  return path;
}

test('several kubeconfigs are one: the first says which context, each brings its own, absent files are left out', async () => {
  const list = [kubeconfig('one'), join(folder, 'absent'), kubeconfig('two')].join(delimiter);
  assert.equal((await kubeconfigAccess(list)).server, 'https://one.example:6443');
  const second = await kubeconfigAccess(list, 'two');
  assert.deepEqual([second.server, second.namespace], ['https://two.example:6443', 'two']);
});

test('a context that is not there is named, with those that are', async () => {
  await assert.rejects(kubeconfigAccess(kubeconfig('three'), 'nowhere'), {
    code: 'ERR_KUBE_CONFIG',
    message: /three has no context "nowhere"/u,
    hint: 'one of its contexts: three',
  });
});
