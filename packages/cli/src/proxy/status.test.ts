import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyRows } from './status.ts';

test('a row says per subscription whether the proxy has what it was sent, and how old that is', () => {
  const [row] = proxyRows(
    [
      {
        proxy: 'ztunnel-x.istio-system',
        resources: {
          'type.googleapis.com/istio.workload.Address': { sent: 'b', acked: 'a', sentTime: '2026-01-01T00:00:00Z' },
          'type.googleapis.com/istio.security.Authorization': { sent: 'a', acked: 'a' },
          'type.googleapis.com/ambit.waypoint.v1.Policy': { sent: 'a', acked: 'a', lastError: 'no' },
          'type.googleapis.com/ambit.waypoint.v1.Secret': {},
        },
      },
    ],
    'istiod-1',
    Date.parse('2026-01-01T00:10:00Z'),
  );
  assert.deepEqual(row?.types, { WDS: 'STALE', WADS: 'SYNCED', Policy: 'REJECTED', Secret: 'NOT SENT' });
  assert.equal(row?.age, '10m');
});
