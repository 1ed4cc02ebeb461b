import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { editShardedMap, emptyShardedMap } from './sharded-map.ts';
import type { ShardedMap } from './sharded-map.ts';

test('batches of changes give what a plain map gives, and older versions stay as they were', () => {
  const key = fc.string({ maxLength: 2 });
  const change = fc.record({ key, value: fc.option(fc.integer(), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 20 }), { maxLength: 10 }), (batches) => {
      const expected = new Map<string, number>();
      const versions: (readonly [ShardedMap<number>, ReadonlyMap<string, number>])[] = [];
      let map = emptyShardedMap<number>();
      for (const batch of batches) {
        const editor = editShardedMap(map);
        for (const { key: name, value } of batch) {
          if (value === undefined) assert.equal(editor.delete(name), expected.delete(name));
          else {
            editor.set(name, value);
            expected.set(name, value);
          }
          assert.equal(editor.get(name), expected.get(name));
        }
        map = editor.commit();
        versions.push([map, new Map(expected)]);
      }
      for (const [version, contents] of versions) {
        assert.equal(version.size, contents.size);
        assert.deepEqual(new Set(version.keys()), new Set(contents.keys()));
        assert.equal([...version.values()].length, contents.size);
        for (const [name, value] of contents) assert.equal(version.get(name), value);
      }
    }),
  );
});

test('a batch without changes gives the same map', () => {
  const map = emptyShardedMap<number>();
  const editor = editShardedMap(map);
  editor.delete('a');
  assert.equal(editor.commit(), map);
});
