import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import { parseLocalState } from '../updates/local-file.ts';
import { createThreadState } from './thread-state.ts';

const info = { name: 'web', namespace: 'shop', serviceAccount: 'web' };
const record = (uid: string, node: string): string =>
  `{ uid: ${uid}, name: web, namespace: shop, serviceAccount: web, workloadIps: ["10.1.0.1"], node: ${node}, services: {} }`;

function setUp() {
  const timers: (() => void)[] = [];
  const clock = {
    now: () => 0,
    setTimeout: (fn: () => void) => {
      timers.push(fn);
      return { [Symbol.dispose]: () => undefined };
    },
  };
  const store = createStateStore();
  const state = createThreadState({ nodeName: 'n1', clock });
  const put = (...records: string[]): void => {
    const { workloads } = parseLocalState(`workloads: [${records.join(',')}]`);
    state.apply(store.apply({ workloads }).diff);
  };
  const remove = (uid: string): void => state.apply(store.apply({ addresses: { updated: [], removed: [uid] } }).diff);
  return { state, put, remove, timers };
}

test('the own workload is found on the own node only, also after its uid changed', () => {
  const { state, put, remove } = setUp();
  put(record('a', 'n2'));
  assert.equal(state.findOwn(info), undefined);
  put(record('b', 'n1'));
  assert.equal(state.findOwn(info)?.uid, 'b');
  remove('b');
  assert.equal(state.findOwn(info), undefined);
  put(record('c', 'n1'));
  assert.equal(state.findOwn(info)?.uid, 'c');
});

test('an unknown workload is waited for, and given up with the text of ztunnel', async () => {
  const { state, put, timers } = setUp();
  const waiting = state.ownWorkload(info);
  put(record('b', 'n1'));
  assert.equal((await waiting).uid, 'b');
  const other = state.ownWorkload({ ...info, name: 'gone' });
  timers.at(-1)?.();
  await assert.rejects(other, { message: 'failed to fetch information about local workload: web.shop (gone)' });
});
