import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConnectionRegistry } from './registry.ts';

const dump = { direction: 'inbound', src: 'a', originalDst: null, actualDst: 'b', protocol: 'TCP' } as const;

test('a re-check ends the connections that are no longer allowed, and leaves outbound ones alone', () => {
  const registry = createConnectionRegistry<{ port: number }>();
  const ended: string[] = [];
  const add = (name: string, facts: { port: number } | undefined) =>
    registry.register({ facts, dump, destroy: (reason) => ended.push(`${name}: ${reason.message}`) });
  add('a', { port: 1 });
  add('b', { port: 2 });
  add('out', undefined);
  assert.equal(
    registry.recheck(
      ({ port }) => port !== 1,
      () => new Error('policy'),
    ),
    1,
  );
  assert.deepEqual(ended, ['a: policy']);
  assert.equal(registry.size, 2);
});

test('a released connection is not ended, and everything can be ended at once', () => {
  const registry = createConnectionRegistry<undefined>();
  let ended = 0;
  const first = registry.register({ facts: undefined, dump, destroy: () => (ended += 1) });
  registry.register({ facts: undefined, dump, destroy: () => (ended += 1) });
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(
    registry.destroyAll(() => new Error('gone')),
    1,
  );
  assert.equal(ended, 1);
  assert.deepEqual(registry.list(), []);
});
