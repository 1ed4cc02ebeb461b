import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { createNames } from './names.ts';

const start = () => {
  const state = { nowMs: 0, asked: 0, answer: ['192.0.2.1'] as string[] | string, ttl: 10 };
  const names = createNames({
    log: silentLogger,
    now: () => state.nowMs,
    resolve: async () => {
      state.asked += 1;
      if (typeof state.answer === 'string') throw Object.assign(new Error('no'), { code: state.answer });
      return state.answer.map((address) => ({ address, ttl: state.ttl }));
    },
  });
  return { state, names };
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the first use waits, later ones use the answer until its time is over', async () => {
  const { state, names } = start();
  await Promise.all([names.prepare(['a.example']), names.prepare(['a.example'])]);
  assert.deepEqual([names.addressesOf('a.example'), state.asked], [['192.0.2.1'], 1]);
  state.nowMs = 9999;
  assert.equal(names.prepare(['a.example']), undefined);
  state.nowMs = 10_000;
  state.answer = ['192.0.2.2'];
  assert.equal(names.prepare(['a.example']), undefined, 'nobody waits for a refresh');
  assert.deepEqual(names.addressesOf('a.example'), ['192.0.2.1']);
  await turn();
  assert.deepEqual(names.addressesOf('a.example'), ['192.0.2.2']);
});

test('addresses are their own answer', () => {
  const { state, names } = start();
  assert.equal(names.prepare(['192.0.2.9', '::1']), undefined);
  assert.deepEqual([names.addressesOf('192.0.2.9'), state.asked], [['192.0.2.9'], 0]);
});

test('a failure keeps what is known; a name that is gone keeps it for 30 s', async () => {
  const { state, names } = start();
  await names.prepare(['a.example']);
  state.nowMs = 10_000;
  state.answer = 'ETIMEOUT';
  void names.prepare(['a.example']);
  await turn();
  state.nowMs = 60_000;
  void names.prepare(['a.example']);
  assert.deepEqual([names.addressesOf('a.example').length, state.asked], [1, 2]);
  state.nowMs = 70_000;
  state.answer = 'ENOTFOUND';
  void names.prepare(['a.example']);
  await turn();
  state.nowMs = 99_999;
  assert.equal(names.addressesOf('a.example').length, 1);
  state.nowMs = 100_000;
  assert.equal(names.addressesOf('a.example').length, 0);
});

test('an unknown name is asked for again, but not at once', async () => {
  const { state, names } = start();
  state.answer = 'ENOTFOUND';
  await names.prepare(['a.example']);
  assert.equal(names.prepare(['a.example']), undefined);
  assert.deepEqual([names.addressesOf('a.example').length, state.asked], [0, 1]);
  state.nowMs = 5000;
  state.answer = ['192.0.2.1'];
  await names.prepare(['a.example']);
  assert.equal(names.addressesOf('a.example').length, 1);
});

test('names in use are kept fresh without a request that waits, others are not', async () => {
  const { state, names } = start();
  await names.prepare(['a.example']);
  state.nowMs = 10_000;
  state.answer = ['192.0.2.2'];
  names.refresh();
  await turn();
  assert.deepEqual([names.addressesOf('a.example'), state.asked], [['192.0.2.2'], 2]);
  state.nowMs = 400_000;
  names.refresh();
  assert.equal(state.asked, 2, 'nobody has asked for five minutes');
  names.close();
});

test('clients cannot make the name server busy with names of their own', async () => {
  const asked: string[] = [];
  const names = createNames({
    log: silentLogger,
    resolve: (name) => {
      asked.push(name);
      return new Promise(() => undefined);
    },
  });
  for (let index = 0; index < 1000; index++) void names.prepare([`n${index}.example`], 'dynamic');
  assert.equal(asked.length, 100);
  assert.equal(names.prepare(['late.example'], 'dynamic'), undefined, 'no answer, and nothing to wait for');
  void names.prepare(['configured.example']);
  assert.equal(asked.length, 101);
  names.close();
});
