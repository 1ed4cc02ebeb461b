import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgesOfFlows } from './flow-edges.ts';
import { flow } from './testing/flow.ts';

test('a connection counts at its source, a request at the waypoint, a refusal where it was refused', () => {
  const [busiest, ...others] = edgesOfFlows([
    flow({}),
    flow({ error: 'connection refused', isMutualTls: false }),
    flow({ direction: 'waypoint', status: 503 }),
    flow({ direction: 'inbound' }),
    flow({ direction: 'inbound', error: 'connection closed due to policy rejection: no' }),
    flow({ service: '', destination: 'shop/db-0', source: '' }),
  ]);
  assert.deepEqual(busiest, {
    namespace: 'shop',
    source: 'shop/load',
    destination: 'shop/reviews',
    connections: 2,
    failed: 1,
    denied: 1,
    requests: 1,
    errors: 1,
    bytes: 20,
    plaintext: 1,
  });
  assert.deepEqual(
    others.map(({ source, destination }) => [source, destination]),
    [['unknown', 'shop/db-0']],
  );
});
