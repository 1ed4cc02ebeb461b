import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addPlugin, chooseConfig, hasPlugin, isValidConfig, type PluginElement, removePlugin } from './cni-config.ts';

const element: PluginElement = { type: 'istio-cni', name: 'istio-cni', ambient_enabled: true };
const list = (...types: string[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: types.map((type) => ({ type })) });
const typesOf = (text: string | undefined): string[] =>
  (JSON.parse(text ?? '{}') as { plugins: { type: string }[] }).plugins.map(({ type }) => type);

test('files that are no configuration are passed over', () => {
  for (const [name, text] of [
    ['a.conf', 'not json'],
    ['a.conflist', '{"plugins":[{"type":"x"}]}'],
    ['a.conflist', '{"name":"x","plugins":[]}'],
    ['a.conf', '{"name":"x"}'],
    ['a.conf', list('x')],
    ['a.conf', '[]'],
  ] as const)
    assert.equal(isValidConfig({ name, text }), false, text);
  // A list needs no version.
  assert.equal(isValidConfig({ name: 'a.conflist', text: '{"name":"x","plugins":[{"type":"x"}]}' }), true);
  const files = [
    { name: '00-bad.conf', text: '{}' },
    { name: '20-b.conflist', text: list('b') },
    { name: '10-a.conf', text: '{"type":"a"}' },
    { name: '05-notes.txt', text: list('c') },
  ];
  assert.equal(chooseConfig(files, '')?.name, '10-a.conf');
  assert.equal(chooseConfig(files, '20-b.conf')?.name, '20-b.conflist');
  assert.equal(chooseConfig([], ''), undefined);
});

test('our element goes to the end, once, and everything else stays', () => {
  const first = addPlugin({ name: 'a.conflist', text: list('bridge', 'portmap') }, element);
  assert.deepEqual(typesOf(first?.text), ['bridge', 'portmap', 'istio-cni']);
  assert.deepEqual([first?.name, first?.removes], ['a.conflist', undefined]);
  const again = addPlugin({ name: 'a.conflist', text: list('istio-cni', 'bridge') }, element);
  assert.deepEqual(typesOf(again?.text), ['bridge', 'istio-cni']);
});

test('a single plugin becomes a list under the other extension', () => {
  const change = addPlugin(
    { name: '10-a.conf', text: '{"cniVersion":"0.3.1","type":"bridge","bridge":"cni0"}' },
    element,
  );
  assert.deepEqual([change?.name, change?.removes], ['10-a.conflist', '10-a.conf']);
  assert.deepEqual(JSON.parse(change?.text ?? ''), {
    name: 'k8s-pod-network',
    cniVersion: '0.3.1',
    plugins: [{ type: 'bridge', bridge: 'cni0' }, element],
  });
});

test('taking our element out gives the file as it was before', () => {
  const before = { name: 'a.conflist', text: list('bridge', 'portmap') };
  const added = addPlugin(before, element);
  const removed = removePlugin({ name: 'a.conflist', text: added?.text ?? '' });
  assert.deepEqual(JSON.parse(removed ?? ''), JSON.parse(before.text));
  assert.equal(removePlugin(before), undefined);
});

test('an element of older settings, or one that is not the last, is not ours', () => {
  const text = addPlugin({ name: 'a.conflist', text: list('bridge') }, element)?.text ?? '';
  assert.ok(hasPlugin({ name: 'a.conflist', text }, element));
  assert.ok(!hasPlugin({ name: 'a.conflist', text }, { ...element, ambient_enabled: false }));
  assert.ok(!hasPlugin({ name: 'a.conflist', text: list('istio-cni', 'bridge') }, element));
});

test('whatever stands in the folder, nothing throws and nobody loses a plugin', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const file = { name: 'a.conflist', text: JSON.stringify(value) };
      isValidConfig(file);
      hasPlugin(file, element);
      removePlugin(file);
      const change = addPlugin(file, element);
      if (change !== undefined) assert.equal(typesOf(change.text).at(-1), 'istio-cni');
    }),
  );
});
