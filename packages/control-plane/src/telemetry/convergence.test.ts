import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import type { ClientInfo } from '@ambit/xds/server';
import { createConvergence } from './convergence.ts';

test('the first response after a change counts, once per proxy; what a new proxy is told does not', async () => {
  const registry = createMetricsRegistry();
  let nowMs = 0;
  const convergence = createConvergence(registry, () => nowMs);
  const [old, fresh] = [{} as ClientInfo, {} as ClientInfo];
  const counted = async (): Promise<readonly string[]> =>
    (await registry.text()).split('\n').filter((line) => /_(sum|count) /.test(line));
  convergence.connected(old);
  convergence.sent(old);
  assert.deepEqual(await counted(), ['pilot_proxy_convergence_time_sum 0', 'pilot_proxy_convergence_time_count 0']);
  convergence.changed();
  nowMs = 2000;
  convergence.connected(fresh);
  for (const client of [old, old, fresh]) convergence.sent(client);
  assert.deepEqual(await counted(), ['pilot_proxy_convergence_time_sum 2', 'pilot_proxy_convergence_time_count 1']);
  registry.close();
});
