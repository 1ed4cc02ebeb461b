import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { HistogramMetric } from './histogram.ts';

test('the exposition is that of prom-client, whatever is observed', async () => {
  const values = fc.array(
    fc.tuple(fc.constantFrom('a', 'b "x"\n'), fc.double({ noNaN: true, noDefaultInfinity: true })),
  );
  await fc.assert(
    fc.asyncProperty(values, async (observed) => {
      const [ours, theirs] = [new Registry(), new Registry()];
      const buckets = [0.5, 1, 10];
      const one = new HistogramMetric('h', 'some help', buckets);
      ours.registerMetric(one as never);
      const other = new Histogram({ name: 'h', help: 'some help', buckets, labelNames: ['l'], registers: [theirs] });
      for (const [label, value] of observed) {
        one.at(label, { l: label }).observe(value);
        other.observe({ l: label }, value);
      }
      assert.equal(await ours.metrics(), await theirs.metrics());
    }),
  );
});

test('a series that was removed begins at zero', async () => {
  const metric = new HistogramMetric('h', 'help', [1]);
  metric.at('k', {}).observe(1);
  metric.remove('k');
  assert.deepEqual((await metric.get()).values, []);
  metric.at('k', {}).observe(2);
  assert.deepEqual(
    (await metric.get()).values.map(({ value }) => value),
    [0, 1, 2, 1],
  );
});
