import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetricsRegistry } from './metrics.ts';
import { createFakeClock } from './testing/index.ts';

test('bound series count in plain numbers and appear after a flush', async () => {
  const clock = createFakeClock();
  const metrics = createMetricsRegistry({ clock });
  const opened = metrics.counter({ name: 'opened_total', help: 'opened', labels: ['reporter'] });
  const one = opened.bind({ reporter: 'source' });
  const other = opened.bind({ reporter: 'source' });
  one.add();
  other.add(2);
  opened.add({ reporter: 'destination' });
  const live = metrics.gauge({ name: 'live', help: 'live' });
  live.set({}, 5);
  live.add({}, -2);
  metrics.gauge({ name: 'lag', help: 'lag', collect: () => 7 });
  metrics.histogram({ name: 'time_seconds', help: 'time', buckets: [1, 2] }).observe({}, 1.5);
  const text = await metrics.text();
  for (const line of [
    'opened_total{reporter="source"} 3',
    'opened_total{reporter="destination"} 1',
    'live 3',
    'lag 7',
    'time_seconds_bucket{le="2"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
  metrics.close();
});

test('an idle series goes, a held one that counts again comes back', async () => {
  const clock = createFakeClock();
  const metrics = createMetricsRegistry({ clock, idleExpiryMs: 10_000 });
  const bound = metrics.counter({ name: 'a_total', help: 'a', labels: ['x'] }).bind({ x: '1' });
  bound.add();
  await clock.advance(5000);
  assert.ok((await metrics.text()).includes('a_total{x="1"} 1'));
  await clock.advance(20_000);
  assert.ok(!(await metrics.text()).includes('a_total{x="1"}'));
  bound.add();
  assert.ok((await metrics.text()).includes('a_total{x="1"} 1'));
  metrics.close();
  assert.equal(clock.pending, 0);
});
