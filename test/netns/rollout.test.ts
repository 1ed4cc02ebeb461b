// Five rollouts of node proxy and node agent under load: nothing fails, nothing is cut before its time, nothing leaks. Root only.
// Fifty of them: `bench rollout`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRollouts } from '../fixtures/rollout/rollout.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';

test(
  'a rollout of node proxy and node agent fails no connection, cuts none before the drain limit, and lets no plaintext out',
  { skip, timeout: 300_000 },
  async (t) => {
    const startedMs = performance.now();
    const figures = await runRollouts({
      rollouts: 5,
      busy: 50,
      idle: 200,
      newPerSecond: 500,
      mostOpen: 512,
      restSeconds: 4,
      drainSeconds: 6,
      // What the machine manages is no assertion: on a slow one there are fewer rollouts, and it is said.
      limitMs: 150_000,
      onStep: (step) => t.diagnostic(`${Math.round((performance.now() - startedMs) / 1000)} s: ${step}`),
    });
    const { fresh, rest } = figures;
    const [reached, atRest] = [fresh, rest].map(({ opened, seconds }) => Math.round(opened / seconds));
    t.diagnostic(
      `${figures.rollouts} of 5 rollouts, ${fresh.opened} new connections, ${reached} per second of 500, this machine at rest ${atRest}; p50 ${fresh.p50Ms} ms, p99 ${fresh.p99Ms} ms`,
    );
    assert.deepEqual(figures.failed.slice(0, 5), []);
    assert.deepEqual(figures.cutEarly.slice(0, 5), []);
    assert.ok(figures.rollouts >= 2, `${figures.rollouts} rollouts`);
    assert.ok(fresh.opened > 500, `${fresh.opened} new connections`);
    // Every long connection of the first generation outlives its drain limit, and every such end has a reason that a stopping one recorded.
    assert.ok(figures.cutAtLimit >= 250, `${figures.cutAtLimit} at the limit`);
    assert.ok(figures.recordedAtLimit >= figures.cutAtLimit, JSON.stringify(figures));
    assert.equal(figures.mostGenerations, 2);
    assert.equal(figures.plaintextPackets, 0);
    assert.ok(figures.packets > fresh.opened, `${figures.packets} packets between the pods`);
  },
);
