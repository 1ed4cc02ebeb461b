import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comesBefore } from './leadership.ts';

const key = ({ revision, isRemote }: { revision: string; isRemote: boolean }): string =>
  `${isRemote ? '^' : ''}${revision}`;
const candidates = ['default', 'one', 'two'].flatMap((revision) =>
  [false, true].map((isRemote) => ({ revision, isRemote })),
);

test('the default revision comes before others, and who is in the cluster before the same revision elsewhere', () => {
  const local = (revision: string) => ({ revision, isRemote: false });
  const remote = (revision: string) => ({ revision, isRemote: true });
  assert.equal(comesBefore(local('one'), 'one', 'two'), true);
  assert.equal(comesBefore(local('one'), 'one', ''), true);
  assert.equal(comesBefore(remote('one'), 'one', 'two'), true);
  assert.equal(comesBefore(local('two'), 'one', 'one'), false);
  assert.equal(comesBefore(local('one'), '', 'two'), false);
  assert.equal(comesBefore(local('one'), '', '^one'), true);
  assert.equal(comesBefore(remote('one'), 'one', 'one'), false);
  assert.equal(comesBefore(local('two'), '', '^one'), false);
});

test('no two of any candidates take a lock from each other', () => {
  for (const defaultRevision of ['', 'default', 'one'])
    for (const a of candidates)
      for (const b of candidates) {
        const both = comesBefore(a, defaultRevision, key(b)) && comesBefore(b, defaultRevision, key(a));
        assert.equal(both, false, `${key(a)} and ${key(b)} with ${defaultRevision}`);
      }
});
