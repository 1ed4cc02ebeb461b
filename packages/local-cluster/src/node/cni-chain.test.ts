import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addToChain,
  BASE_PLUGIN,
  failureText,
  parsePluginList,
  pluginEnvironment,
  writeBaseChain,
} from './cni-chain.ts';

const pod = {
  name: 'web',
  namespace: 'shop',
  uid: 'u1',
  sandboxId: 's1',
  netns: 'ambit-x-1',
  ip: '10.244.1.2',
  gateway: '10.244.1.1',
};

test('a new node has a list with the built-in plugin, and asks nobody', async () => {
  const nodeDir = mkdtempSync(join(tmpdir(), 'ambit-cni-'));
  try {
    writeBaseChain(nodeDir);
    const [file = ''] = readdirSync(join(nodeDir, 'etc/cni/net.d'));
    const list = parsePluginList(readFileSync(join(nodeDir, 'etc/cni/net.d', file), 'utf8'));
    assert.deepEqual(list?.plugins, [{ type: BASE_PLUGIN }]);
    await addToChain({ nodeDir, netns: 'none', ambitHome: '/x', nodeBinary: '/x/node' }, pod);
  } finally {
    rmSync(nodeDir, { recursive: true });
  }
});

test('plugins are told the pod and its namespace as the protocol says', () => {
  const given = pluginEnvironment('ADD', pod, { nodeDir: '/n', netns: 'n1', ambitHome: '/a', nodeBinary: '/b/node' });
  assert.equal(given['CNI_NETNS'], '/var/run/netns/ambit-x-1');
  assert.equal(
    given['CNI_ARGS'],
    'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=s1;K8S_POD_UID=u1',
  );
  assert.equal(given['CNI_PATH'], '/n/opt/cni/bin');
});

test('a failed plugin is quoted, with or without an error object', () => {
  assert.equal(failureText('{"code":999,"msg":"no agent"}', 'noise', 'status 1'), 'no agent');
  assert.equal(failureText('', 'noise\n', 'status 1'), 'noise');
  assert.equal(failureText('', '', 'status 1'), 'status 1');
});

test('a list whose plugin type leaves the folder of plugins is none', () => {
  for (const type of ['../sh', '/bin/sh', '', '.', 7])
    assert.equal(parsePluginList(JSON.stringify({ name: 'x', plugins: [{ type }] })), undefined, String(type));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parsePluginList(text)));
});
