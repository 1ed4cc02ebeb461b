import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MultiMap } from './multi-map.ts';

test('it holds what a map of sets holds, with one value, several and none', () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const value = fc.constantFrom('1', '2', '3');
  const step = fc.record({ isAdd: fc.boolean(), key, value });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const map = new MultiMap<string, string>();
      const model = new Map<string, Set<string>>();
      for (const one of steps) {
        const set = model.get(one.key) ?? new Set();
        if (one.isAdd) {
          map.add(one.key, one.value);
          model.set(one.key, set.add(one.value));
        } else {
          map.remove(one.key, one.value);
          set.delete(one.value);
          if (set.size === 0) model.delete(one.key);
        }
        for (const k of ['a', 'b', 'c']) {
          assert.deepEqual([...map.get(k)].toSorted(), [...(model.get(k) ?? [])].toSorted());
          assert.equal(map.has(k), model.has(k));
        }
        assert.deepEqual([...map.keys()].toSorted(), [...model.keys()].toSorted());
      }
    }),
  );
});
