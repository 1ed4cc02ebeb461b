import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PatchError, strategicMerge } from './strategic-merge.ts';

const names = (list: unknown): unknown[] => (list as { name: unknown }[]).map((item) => item.name);
const spec = {
  containers: [
    {
      name: 'a',
      env: [
        { name: 'x', value: '1' },
        { name: 'y', value: '2' },
      ],
      args: ['one', 'two'],
    },
  ],
  tolerations: [{ key: 'old' }],
};

test('lists with a key are merged by it, and new elements stand where the patch has them', () => {
  const patch = {
    containers: [
      {
        name: 'a',
        env: [
          { name: 'new', value: '3' },
          { name: 'y', value: '4' },
        ],
      },
    ],
  };
  const [container] = strategicMerge(spec, patch)['containers'] as { env: unknown; args: unknown }[];
  assert.deepEqual(container?.env, [
    { name: 'new', value: '3' },
    { name: 'x', value: '1' },
    { name: 'y', value: '4' },
  ]);
  assert.deepEqual(container.args, ['one', 'two']);
});

test('lists without a key are replaced', () => {
  const result = strategicMerge(spec, { containers: [{ name: 'a', args: ['three'] }], tolerations: [{ key: 'new' }] });
  assert.deepEqual(result['tolerations'], [{ key: 'new' }]);
  assert.deepEqual((result['containers'] as { args: unknown }[])[0]?.args, ['three']);
});

test('null and $patch delete, $patch replace replaces', () => {
  assert.deepEqual(strategicMerge(spec, { tolerations: null, containers: [{ $patch: 'delete', name: 'a' }] }), {
    containers: [],
  });
  assert.deepEqual(names(strategicMerge(spec, { containers: [{ $patch: 'replace' }, { name: 'b' }] })['containers']), [
    'b',
  ]);
  assert.deepEqual(strategicMerge({ labels: { a: '1' } }, { labels: { $patch: 'replace', b: '2' } }), {
    labels: { b: '2' },
  });
});

test('ports of a service and of a container have different keys', () => {
  const service = { spec: { ports: [{ port: 80, name: 'a' }] } };
  assert.deepEqual(strategicMerge(service, { spec: { ports: [{ port: 80, name: 'b' }] } }), {
    spec: { ports: [{ port: 80, name: 'b' }] },
  });
  const pod = { containers: [{ name: 'a', ports: [{ containerPort: 1 }] }] };
  assert.deepEqual(strategicMerge(pod, { containers: [{ name: 'a', ports: [{ containerPort: 2 }] }] }), {
    containers: [{ name: 'a', ports: [{ containerPort: 2 }, { containerPort: 1 }] }],
  });
});

test('an element without its key, an unknown directive and a bottomless patch are refused', () => {
  assert.throws(() => strategicMerge(spec, { containers: [{ image: 'x' }] }), PatchError);
  assert.throws(() => strategicMerge(spec, { $patch: 'never' }), PatchError);
  let deep: Record<string, unknown> = {};
  for (let i = 0; i < 100; i++) deep = { deep };
  assert.throws(() => strategicMerge({}, deep), PatchError);
});

test('any patch gives an object or a PatchError, and the original stays as it was', () => {
  const before = JSON.stringify(spec);
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('containers', 'tolerations', '$patch', 'x'), fc.jsonValue()), (patch) => {
      try {
        strategicMerge(spec, patch);
      } catch (error) {
        assert.ok(error instanceof PatchError);
      }
      assert.equal(JSON.stringify(spec), before);
    }),
  );
});
