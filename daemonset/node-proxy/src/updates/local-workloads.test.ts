import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createStateStore, type Workload } from '@ambit/state';
import { testWorkload } from '@ambit/state/testing';
import { createLocalWorkloads } from './local-workloads.ts';

const workloads = fc.record({
  uid: fc.constantFrom('u1', 'u2', 'u3', 'u4'),
  name: fc.constantFrom('a', 'b'),
  node: fc.constantFrom('n1', 'n2'),
});
const step = fc.oneof(
  workloads.map((change) => ({ kind: 'put' as const, workload: testWorkload(change.name, change) })),
  fc.constantFrom('u1', 'u2', 'u3', 'u4').map((uid) => ({ kind: 'remove' as const, uid })),
  fc.constant({ kind: 'restart' as const }),
);

test('after any changes it finds what a search through all workloads finds', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.constantFrom('n1', undefined),
      fc.nat(3),
      (steps, nodeName, limit) => {
        const store = createStateStore(limit === 0 ? {} : { shareFrom: limit });
        const follower = createStateStore();
        const local = createLocalWorkloads(nodeName);
        for (const one of steps) {
          const diff =
            one.kind === 'restart'
              ? store.fullDiff()
              : one.kind === 'put'
                ? store.apply({ workloads: [one.workload] }).diff
                : store.apply({ addresses: { updated: [], removed: [one.uid] } }).diff;
          local.onDiff(diff, follower.applyDiff(diff));
        }
        const snapshot = follower.snapshot();
        const isLocal = ({ node }: Workload): boolean => nodeName === undefined || node === nodeName;
        const expected = [...snapshot.workloads.values()].filter(isLocal);
        const uids = (list: Iterable<Workload>): string[] => [...list].map(({ uid }) => uid).toSorted();
        assert.deepEqual(uids(local.all(snapshot)), uids(expected));
        for (const name of ['a', 'b']) {
          const found = local.find(snapshot, { namespace: 'default', name, serviceAccount: name });
          const all = expected.filter((workload) => workload.name === name);
          assert.equal(found === undefined, all.length === 0);
          assert.ok(found === undefined || uids(all).includes(found.uid));
        }
      },
    ),
  );
});
