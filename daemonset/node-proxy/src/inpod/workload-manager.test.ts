import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { createWorkloadManager, type PodSpec } from './workload-manager.ts';

const workload = { name: 'web-1', namespace: 'shop', serviceAccount: 'web' };

function setUp() {
  const events: string[] = [];
  const timers: (() => void)[] = [];
  let failures = 0;
  const manager = createWorkloadManager({
    start: async (spec: PodSpec) => {
      if (failures > 0) {
        failures -= 1;
        throw new Error('port in use');
      }
      events.push(`start ${spec.uid}`);
      return {
        stop: async () => {
          events.push(`stop ${spec.uid}`);
        },
      };
    },
    netnsId: (fd) => `netns-${fd % 10}`,
    closeFd: (fd) => void events.push(`close ${fd}`),
    clock: {
      now: () => 0,
      setTimeout: (fn) => {
        timers.push(fn);
        return { [Symbol.dispose]: () => undefined };
      },
    },
    log: silentLogger,
    onChange: () => undefined,
    counters: { started: () => undefined, stopped: () => undefined },
  });
  return { manager, events, timers, failNext: (times: number) => (failures = times) };
}

const add = (uid: string, netns: number) => ({ kind: 'start', uid, workload, netns }) as const;

test('a repeated add of the same namespace is a no-op and closes the new descriptor', async () => {
  const { manager, events } = setUp();
  await manager.perform(add('a', 11));
  await manager.perform(add('a', 21));
  assert.deepEqual(events, ['start a', 'close 21']);
});

test('an add with another namespace replaces the pod', async () => {
  const { manager, events } = setUp();
  await manager.perform(add('a', 11));
  await manager.perform(add('a', 12));
  assert.deepEqual(events, ['start a', 'stop a', 'close 11', 'start a']);
});

test('a pod that cannot start is refused, pending, and retried until it works', async () => {
  const { manager, events, timers, failNext } = setUp();
  manager.onConnect();
  failNext(2);
  await assert.rejects(manager.perform(add('a', 11)));
  await manager.perform({ kind: 'retain', uids: new Set(['a']) });
  assert.equal(manager.isReady, false);
  timers.shift()?.();
  await new Promise(setImmediate);
  assert.equal(manager.isReady, false);
  timers.shift()?.();
  await new Promise(setImmediate);
  assert.deepEqual(events, ['start a']);
  assert.equal(manager.isReady, true);
});

test('a snapshot stops the pods it does not name, and a lost connection makes the manager unready but stops nothing', async () => {
  const { manager, events } = setUp();
  manager.onConnect();
  await manager.perform(add('a', 11));
  await manager.perform(add('b', 12));
  await manager.perform({ kind: 'retain', uids: new Set(['b']) });
  assert.deepEqual(events.slice(2), ['stop a', 'close 11']);
  assert.equal(manager.isReady, true);
  manager.onDisconnect();
  assert.equal(manager.isReady, false);
  assert.deepEqual(
    manager.list().map(({ uid, state }) => [uid, state]),
    [['b', 'Up']],
  );
});

test('a delete before the snapshot is complete forgets a pending pod and leaves a running one', async () => {
  const { manager, events, failNext } = setUp();
  await manager.perform(add('a', 11));
  failNext(1);
  await assert.rejects(manager.perform(add('b', 12)));
  await manager.perform({ kind: 'unqueue', uid: 'a' });
  await manager.perform({ kind: 'unqueue', uid: 'b' });
  assert.deepEqual(events, ['start a', 'close 12']);
});
