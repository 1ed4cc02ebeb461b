import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Flow_Direction, FlowSchema } from '@ambit/proto/telemetry';
import { flowOfMessage } from './control-plane-flows.ts';

test('a flow shows names where they are known and addresses where they are not', () => {
  const flow = flowOfMessage(
    create(FlowSchema, {
      id: 't1',
      connectionId: 'c1',
      authority: '10.96.0.1:80',
      reporter: 'waypoint-1.shop',
      endedUnixMs: Date.UTC(2026, 0, 1),
      durationMs: 12.4,
      direction: Flow_Direction.WAYPOINT,
      source: { address: '10.0.0.1:5', workload: 'web', namespace: 'shop', identity: 'spiffe://c/ns/shop/sa/web' },
      destination: { address: '10.0.0.2:80' },
      service: 'cart.shop.svc.cluster.local',
      mutualTls: true,
      bytesSent: 3,
      bytesReceived: 4,
      http: { method: 'GET', path: '/a', status: 200 },
    }),
  );
  assert.deepEqual(flow, {
    time: '2026-01-01T00:00:00.000Z',
    direction: 'waypoint',
    source: 'shop/web',
    destination: '10.0.0.2:80',
    service: 'cart.shop.svc.cluster.local',
    isMutualTls: true,
    bytes: 7,
    durationMs: 12,
    error: '',
    method: 'GET',
    path: '/a',
    status: 200,
    sourceAddress: '10.0.0.1:5',
    destinationAddress: '10.0.0.2:80',
    sourceIdentity: 'spiffe://c/ns/shop/sa/web',
    destinationIdentity: '',
    authority: '10.96.0.1:80',
    connection: 'c1',
    trace: 't1',
    reporter: 'waypoint-1.shop',
  });
});
