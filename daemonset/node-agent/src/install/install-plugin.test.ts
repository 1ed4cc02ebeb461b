import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readNodeAgentConfig } from '../config.ts';
import { fileModeOf, wayOf } from './install-plugin.ts';
import { buildPluginElement } from './plugin-element.ts';

const way = (settings: Readonly<Record<string, string>>) =>
  wayOf(readNodeAgentConfig([], { NODE_NAME: 'n1', ...settings }));

test('the name of the owned file is read under both of its names, the one of the program first (G21)', () => {
  const owned = { ISTIO_OWNED_CNI_CONFIG: 'true' };
  assert.deepEqual(way({ ...owned, ISTIO_OWNED_CNI_CONF_FILENAME: '01-a.conflist' }), {
    kind: 'owned',
    wanted: '',
    ownedName: '01-a.conflist',
  });
  const both = { ISTIO_OWNED_CNI_CONFIG_FILENAME: '01-b.conflist', ISTIO_OWNED_CNI_CONF_FILENAME: '01-a.conflist' };
  assert.equal(way({ ...owned, ...both }).ownedName, '01-b.conflist');
});

test('the plugin asks again unless the operator says otherwise (G15)', () => {
  const asksAgain = (settings: Readonly<Record<string, string>>): unknown =>
    buildPluginElement(readNodeAgentConfig([], { NODE_NAME: 'n1', ...settings }), {
      selectors: [],
      excludedNamespaces: [],
    })['enable_ambient_detection_retry'];
  assert.deepEqual([asksAgain({}), asksAgain({ ENABLE_AMBIENT_DETECTION_RETRY: 'false' })], [true, false]);
});

test('chained by default, standalone where the operator says so', () => {
  assert.equal(way({}).kind, 'chained');
  assert.deepEqual(way({ CHAINED_CNI_PLUGIN: 'false', CNI_CONF_NAME: 'istio-cni.conf' }), {
    kind: 'standalone',
    wanted: 'istio-cni.conf',
    ownedName: '',
  });
});

test('permissions are octal digits, and nothing else', () => {
  assert.equal(fileModeOf('0640'), 0o640);
  for (const text of ['', '9', '0800', '06000', '-600', '0x1f', 'rw-------'])
    assert.throws(() => fileModeOf(text), { code: 'ERR_NODE_AGENT_CONFIG' }, text);
});
