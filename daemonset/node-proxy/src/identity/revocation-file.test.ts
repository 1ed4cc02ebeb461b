import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { CRL_SETTLE_MS, followRevocationFile } from './revocation-file.ts';

function setUp(first: () => Buffer) {
  const timers = new Map<object, { fn: () => void; ms: number }>();
  const seen: string[] = [];
  let read = first;
  let event: () => void = () => assert.fail('nothing watches');
  const following = followRevocationFile({
    path: '/etc/crl/ca.crl',
    onContent: (content) => void seen.push(Buffer.from(content).toString()),
    clock: {
      now: () => 0,
      setTimeout(fn, ms) {
        const key = { [Symbol.dispose]: () => void timers.delete(key) };
        timers.set(key, { fn, ms });
        return key;
      },
    },
    log: silentLogger,
    watchFolder(path, onEvent) {
      assert.equal(path, '/etc/crl');
      event = onEvent;
      return { [Symbol.dispose]: () => (event = () => assert.fail('closed')) };
    },
    read: () => read(),
  });
  return {
    seen,
    following,
    change: (next: () => Buffer, events = 1): void => {
      read = next;
      for (let count = 0; count < events; count += 1) event();
      for (const [key, { fn, ms }] of timers) {
        assert.equal(ms, CRL_SETTLE_MS);
        timers.delete(key);
        fn();
      }
    },
    timers,
  };
}

const missing = (): Buffer => {
  throw new Error('ENOENT');
};

test('a file that comes later is read then, a burst of events is one reload, the same content is not news', () => {
  const { seen, change } = setUp(missing);
  assert.deepEqual(seen, []);
  change(() => Buffer.from('# no lists'), 5);
  change(() => Buffer.from('# no lists'));
  assert.deepEqual(seen, ['# no lists']);
});

test('a file that cannot be read changes nothing', () => {
  const { seen, change } = setUp(() => Buffer.from('# first'));
  change(() => Buffer.from('-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'));
  change(missing);
  change(() => Buffer.from('# second'));
  assert.deepEqual(seen, ['# first', '# second']);
});

test('nothing is left when it ends', () => {
  const { following, timers } = setUp(() => Buffer.from(''));
  following[Symbol.dispose]();
  assert.equal(timers.size, 0);
});
