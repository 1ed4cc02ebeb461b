import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConfigFile, PluginElement } from './cni-config.ts';
import { type ConfigPlan, type ConfigWay, planConfig, planRemoval } from './config-plan.ts';

const element: PluginElement = { type: 'istio-cni', name: 'istio-cni', ambient_enabled: true };
const primary = (text: object = { mtu: 1500 }): ConfigFile => ({
  name: '05-cilium.conflist',
  text: JSON.stringify({ cniVersion: '1.0.0', name: 'cilium', plugins: [{ type: 'cilium-cni', ...text }] }),
});
const owned: ConfigWay = { kind: 'owned', wanted: '', ownedName: '' };
const standalone: ConfigWay = { kind: 'standalone', wanted: '', ownedName: '' };
const chained: ConfigWay = { kind: 'chained', wanted: '', ownedName: '' };

function written(plan: ConfigPlan): ConfigFile & { readonly warning: string | undefined } {
  assert.equal(plan.kind, 'write');
  return plan as unknown as ConfigFile & { warning: string | undefined };
}

test('an owned file is a copy of the network plugin with ours at the end, before it by name, and leaves it alone', () => {
  const file = written(planConfig([primary()], owned, element));
  assert.equal(file.name, '02-istio-cni.conflist');
  assert.deepEqual(
    (JSON.parse(file.text) as { plugins: { type: string }[] }).plugins.map(({ type }) => type),
    ['cilium-cni', 'istio-cni'],
  );
  assert.equal(file.warning, undefined);
  assert.deepEqual(planConfig([file, primary()], owned, element), { kind: 'valid' });
});

test('an owned file follows every change of the network plugin, not only of its types', () => {
  const file = written(planConfig([primary()], owned, element));
  const changed = written(planConfig([file, primary({ mtu: 9000 })], owned, element));
  assert.match(changed.text, /9000/);
});

test('an owned file stays while the network plugin has none yet, as after a restart of the node', () => {
  const file = written(planConfig([primary()], owned, element));
  assert.deepEqual(planConfig([file], owned, element), { kind: 'valid' });
  assert.deepEqual(planConfig([], owned, element), { kind: 'wait' });
});

test('an owned name that does not sort first is told', () => {
  const file = written(planConfig([primary()], { ...owned, ownedName: '99-mesh.conflist' }, element));
  assert.match(file.warning ?? '', /does not sort before 05-cilium.conflist/);
});

test('a standalone file is our element with a version of the protocol', () => {
  const file = written(planConfig([primary()], standalone, element));
  assert.equal(file.name, 'YYY-istio-cni.conf');
  assert.deepEqual(JSON.parse(file.text), { ...element, cniVersion: '0.3.1' });
  assert.deepEqual(planConfig([file, primary()], standalone, element), { kind: 'valid' });
  assert.equal(written(planConfig([], { ...standalone, wanted: 'istio-cni.conf' }, element)).name, 'istio-cni.conf');
});

test('taking the plugin out deletes what is ours alone and rewrites what is not', () => {
  for (const way of [owned, standalone]) {
    const file = written(planConfig([primary()], way, element));
    assert.deepEqual(planRemoval([file, primary()], way), { kind: 'delete', name: file.name });
  }
  const file = written(planConfig([primary()], chained, element));
  const removal = planRemoval([file], chained);
  assert.equal(removal?.kind, 'write');
  assert.equal(planRemoval([primary()], chained), undefined);
  assert.equal(planRemoval([], owned), undefined);
});

test('whatever stands in the folder, what was written is valid the next time, and is taken out', () => {
  const content = fc.oneof(fc.json(), fc.string(), fc.constant(primary().text));
  const file = fc.record({ name: fc.constantFrom('05-a.conflist', '06-b.conf', '07-c.conflist'), text: content });
  fc.assert(
    fc.property(
      fc.uniqueArray(file, { selector: ({ name }) => name }),
      fc.constantFrom(owned, standalone, chained),
      (files, way) => {
        const plan = planConfig(files, way, element);
        if (plan.kind !== 'write') return;
        const after = [
          ...files.filter(({ name }) => name !== plan.name && name !== plan.removes),
          { name: plan.name, text: plan.text },
        ];
        assert.equal(planConfig(after, way, element).kind, 'valid');
        assert.notEqual(planRemoval(after, way), undefined);
      },
    ),
  );
});
