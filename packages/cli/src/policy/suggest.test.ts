import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trafficMetrics } from '../traffic/edges.ts';
import { samplesOf } from '../traffic/samples.ts';
import { callersOf, suggestedPolicy } from './suggest.ts';

const line = (name: string, principal: string, count: number, more = ''): string =>
  `istio_tcp_connections_${name}_total{reporter="destination",destination_workload_namespace="shop",destination_workload="web",source_principal="${principal}"${more}} ${count}`;

const callers = callersOf(
  [
    {
      pod: 'a',
      samples: samplesOf(
        [
          line('opened', 'spiffe://c/ns/shop/sa/client', 5),
          line('opened', 'spiffe://c/ns/shop/sa/refused', 3),
          line('failed', 'spiffe://c/ns/shop/sa/refused', 3, ',response_flags="DENY"'),
          line('failed', 'spiffe://c/ns/shop/sa/client', 1, ',response_flags="CONNECT"'),
          line('opened', 'unknown', 2),
          line('opened', 'spiffe://c/ns/shop/sa/sender', 9).replace('"destination"', '"source"'),
        ].join('\n'),
        trafficMetrics,
      ),
    },
    { pod: 'b', samples: samplesOf(line('opened', 'spiffe://c/ns/shop/sa/client', 2), trafficMetrics) },
  ],
  'shop',
);

test('whoever connected is a caller, on whichever node; who was refused is none', () => {
  assert.deepEqual(
    callers.map(({ workload, principals, anonymous }) => [workload, [...principals], anonymous]),
    [['web', [['c/ns/shop/sa/client', 7]], 2]],
  );
});

test('the policy admits the callers and selects the pods of the workload', () => {
  const [first] = callers;
  assert.ok(first !== undefined);
  assert.deepEqual(suggestedPolicy(first, 'shop', { app: 'web' })?.['spec'], {
    selector: { matchLabels: { app: 'web' } },
    action: 'ALLOW',
    rules: [{ from: [{ source: { principals: ['c/ns/shop/sa/client'] } }] }],
  });
  assert.equal(suggestedPolicy({ ...first, principals: new Map() }, 'shop', {}), undefined);
});
