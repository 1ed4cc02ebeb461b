import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyFor, shopObjects } from '../explain/testing/shop.ts';
import { worldOf } from '../explain/world.ts';
import type { Flow } from '../traffic/access-line.ts';
import { flow } from '../traffic/testing/flow.ts';
import { kindsOfFlows } from './recorded-flows.ts';
import { changedFlows, triedKind } from './simulate.ts';

const world = worldOf(shopObjects, {}, 'istio-system');
const request = { method: 'GET', path: '/' };
const connection = (from: string, ip: string, fields: Partial<Flow> = {}): Flow =>
  flow({
    source: `shop/${from}`,
    sourceAddress: `${ip}:4000`,
    destination: 'shop/web',
    destinationAddress: '10.0.0.3:15008',
    authority: '10.0.0.3:8080',
    service: 'web.shop.svc.cluster.local',
    ...fields,
  });

test('recorded connections of one kind are one flow with their number; both ends of a connection count once', () => {
  const flows = [
    connection('client', '10.0.0.1'),
    connection('client', '10.0.0.1', { sourceAddress: '10.0.0.1:4001' }),
    connection('client', '10.0.0.1', { direction: 'inbound' }),
    connection('other', '10.0.0.2'),
    connection('stranger', '1.2.3.4'),
  ];
  assert.deepEqual(
    kindsOfFlows(world, flows, request).map(({ named, count }) => ({ ...named, count })),
    [
      { from: 'shop/sa/client', to: 'shop/web', port: 80, count: 2 },
      { from: 'shop/sa/other', to: 'shop/web', port: 80, count: 1 },
    ],
  );
});

test('what came from outside the mesh counts where it arrived', () => {
  const outside = connection('', '1.2.3.4', {
    direction: 'inbound',
    source: '',
    sourceIdentity: '',
    authority: '',
    destinationAddress: '10.0.0.3:8080',
  });
  assert.deepEqual(
    kindsOfFlows(world, [outside], request).map(({ named }) => named),
    [{ from: '1.2.3.4', to: 'shop/web', port: 8080 }],
  );
});

test('requests that a waypoint logged stand for the connections that carried them', () => {
  const asked = connection('client', '10.0.0.1', {
    direction: 'waypoint',
    source: '10.0.0.1:4000',
    authority: '10.96.0.1:80',
    method: 'GET',
    path: '/a?b=1',
  });
  assert.deepEqual(
    kindsOfFlows(world, [connection('client', '10.0.0.1'), asked, asked], request).map(({ named, count }) => [
      named.path,
      count,
    ]),
    [['/a', 2]],
  );
});

test('of what was recorded, a change denies what it does not admit, with how often it was there', () => {
  const after = worldOf([...shopObjects, policyFor('client')], {}, 'istio-system');
  const flows = [connection('client', '10.0.0.1'), connection('other', '10.0.0.2'), connection('other', '10.0.0.2')];
  const changes = changedFlows(world, after, kindsOfFlows(world, flows, request).map(triedKind));
  assert.deepEqual(
    changes.map(({ flow: { from }, count, after: text }) => [from, count, text.slice(0, 6)]),
    [['shop/sa/other', 2, 'DENIED']],
  );
});
