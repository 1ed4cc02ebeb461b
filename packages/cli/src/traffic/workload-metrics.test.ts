import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changesBetween, type Reading, trafficMetrics } from './edges.ts';
import { metricsTarget } from './metrics.ts';
import { samplesOf } from './samples.ts';
import { busiest } from './top.ts';
import { metricsOf, quantileOf } from './workload-metrics.ts';

const to =
  'destination_workload="web-v1",destination_workload_namespace="shop",destination_service_name="web",destination_service_namespace="shop"';
const reading = (ok: number, bad: number, fast: number, all: number): Reading => ({
  pod: 'shop/waypoint',
  samples: samplesOf(
    `istio_requests_total{${to},response_code="200",reporter="waypoint"} ${ok}
istio_requests_total{${to},response_code="503",reporter="waypoint"} ${bad}
istio_requests_total{${to},response_code="200",reporter="source"} ${ok * 3}
istio_requests_total{${to.replaceAll('web', 'other')},response_code="200"} 1000
istio_request_duration_milliseconds_bucket{${to},le="10"} ${fast}
istio_request_duration_milliseconds_bucket{${to},le="20"} ${all}
istio_request_duration_milliseconds_bucket{${to},le="+Inf"} ${all}
istio_tcp_connections_opened_total{${to},reporter="source"} ${ok}
istio_tcp_connections_opened_total{${to},reporter="destination"} ${bad}
`,
    trafficMetrics,
  ),
});

test('requests, errors and times of a workload and of a service are those of the interval', () => {
  const changes = changesBetween([reading(100, 1, 90, 101)], [reading(190, 11, 140, 201)]);
  for (const kind of ['workload', 'service'] as const) {
    const target = { kind, namespace: 'shop', name: kind === 'workload' ? 'web-v1' : 'web' };
    assert.deepEqual(metricsOf(changes, target), {
      target,
      requests: 100,
      errors: 10,
      connections: 10,
      // 50 of 100 within 10 ms, the others within 20 ms.
      p50Ms: 10,
      p90Ms: 18,
      p99Ms: 19.8,
    });
  }
  assert.equal(metricsOf(changes, { kind: 'workload', namespace: 'else', name: 'web-v1' }).requests, 0);
});

test('a share of requests lies between the bounds of its bucket, grows with the share, and is nothing without requests', () => {
  assert.equal(quantileOf(new Map([[10, 0]]), 0.5), undefined);
  assert.equal(
    quantileOf(
      new Map([
        [10, 0],
        [Number.POSITIVE_INFINITY, 4],
      ]),
      0.5,
    ),
    10,
    'slower than the last bound',
  );
  fc.assert(
    fc.property(
      fc.array(fc.nat(100), { minLength: 1, maxLength: 8 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (counts, share) => {
        let total = 0;
        const buckets = new Map(counts.map((count, index) => [(index + 1) * 10, (total += count)]));
        const found = quantileOf(buckets, share);
        if (total === 0) return found === undefined;
        const most = quantileOf(buckets, 1) ?? 0;
        return found !== undefined && found >= 0 && found <= most && most <= counts.length * 10;
      },
    ),
  );
});

test('names of workloads and services are understood, and what has no metrics is refused', () => {
  assert.deepEqual(metricsTarget('web-v1', 'shop'), { kind: 'workload', namespace: 'shop', name: 'web-v1' });
  assert.deepEqual(metricsTarget('deploy/web-v1.store', 'shop'), {
    kind: 'workload',
    namespace: 'store',
    name: 'web-v1',
  });
  assert.deepEqual(metricsTarget('svc/web', 'shop'), { kind: 'service', namespace: 'shop', name: 'web' });
  assert.throws(() => metricsTarget('10.0.0.1', 'shop'), { code: 'ERR_CLI_INVALID' });
});

test('the busiest are named by what counters say of them; errors may come first, and one namespace alone', () => {
  const change = (service: string, namespace: string, code: string, count: number) => ({
    sample: {
      name: 'istio_requests_total',
      value: count,
      labels: new Map([
        ['reporter', 'waypoint'],
        ['destination_service_name', service],
        ['destination_service_namespace', namespace],
        ['response_code', code],
      ]),
    },
    change: count,
  });
  const changes = [change('a', 'shop', '200', 9), change('b', 'shop', '503', 2), change('c', 'other', '200', 20)];
  const names = (options: Parameters<typeof busiest>[2]) =>
    busiest(changes, 'service', options).map(({ target }) => target.name);
  assert.deepEqual(names({ sort: 'rate' }), ['c', 'a', 'b']);
  assert.deepEqual(names({ sort: 'errors', namespace: 'shop' }), ['b', 'a']);
  assert.deepEqual(busiest(changes, 'workload', { sort: 'rate' }), []);
});
