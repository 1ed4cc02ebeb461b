// Five rollouts of node proxy and node agent under load: nothing fails, nothing is cut before its time, nothing leaks. Root only.
// Fifty of them, with more new connections: `bench rollout`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRollouts } from '../fixtures/rollout.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';

test(
  'a rollout of node proxy and node agent fails no connection, cuts none before the drain limit, and lets no plaintext out',
  { skip, timeout: 240_000 },
  async () => {
    const figures = await runRollouts({ rollouts: 5, busy: 50, idle: 200, newPerSecond: 50, drainSeconds: 6 });
    assert.deepEqual(figures.failed.slice(0, 5), []);
    assert.deepEqual(figures.cutEarly.slice(0, 5), []);
    assert.ok(figures.opened > 100, `${figures.opened} new connections`);
    // Every long connection of the first generation outlives its drain limit, and its end has a recorded reason on both sides.
    assert.ok(figures.cutAtLimit >= 250, `${figures.cutAtLimit} at the limit`);
    assert.ok(figures.recordedAtLimit >= figures.cutAtLimit, JSON.stringify(figures));
    assert.equal(figures.mostGenerations, 2);
    assert.equal(figures.plaintextPackets, 0);
    assert.ok(figures.packets > figures.opened);
  },
);
