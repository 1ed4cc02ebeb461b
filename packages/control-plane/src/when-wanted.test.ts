import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCapturingLogger } from '@ambit/runtime/testing';
import { whenWanted } from './when-wanted.ts';

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('one look at a time, one more for all wishes that came meanwhile, and none when it is over', async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  let isOver = false;
  const log = createCapturingLogger();
  const want = whenWanted({
    name: 'work',
    isOver: () => isOver,
    async look() {
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
    },
    log,
  });
  want();
  want();
  want();
  assert.equal(gates.length, 1);
  gates[0]?.resolve();
  await turn();
  assert.equal(gates.length, 2, 'what was wished meanwhile');
  gates[1]?.resolve();
  await turn();
  assert.equal(gates.length, 2, 'nothing more was wished');
  isOver = true;
  want();
  assert.equal(gates.length, 2);
});

test('a look that fails is told, and the next wish looks again', async () => {
  let looks = 0;
  const log = createCapturingLogger();
  const want = whenWanted({
    name: 'work',
    isOver: () => false,
    async look() {
      looks += 1;
      throw new Error('no');
    },
    log,
  });
  want();
  await turn();
  want();
  await turn();
  assert.equal(looks, 2);
  assert.ok(log.lines.length > 0);
});
