import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyFor, shopObjects } from '../explain/testing/shop.ts';
import { worldOf } from '../explain/world.ts';
import type { Flow } from './access-line.ts';
import { policyHits, policyNamedIn } from './policy-hits.ts';
import { flow } from './testing/flow.ts';

const arrival = (who: string, fields: Partial<Flow> = {}): Flow =>
  flow({
    direction: 'inbound',
    source: `shop/${who}`,
    sourceIdentity: `spiffe://cluster.local/ns/shop/sa/${who}`,
    destination: 'shop/web',
    destinationAddress: '10.0.0.3:15008',
    authority: '10.0.0.3:8080',
    ...fields,
  });

const rowsOf = (world: ReturnType<typeof worldOf>, flows: readonly Flow[]) =>
  policyHits(world, flows).map(({ policy, layer, allowed, denied }) => [policy, layer, allowed, denied]);

test('a policy counts what it let through and what it refused; the source decides nothing', () => {
  const world = worldOf([...shopObjects, policyFor('client')], {}, 'istio-system');
  const refused = { error: 'connection closed due to policy rejection: allow policies exist, but none allowed' };
  assert.deepEqual(
    rowsOf(world, [
      arrival('client'),
      arrival('client'),
      arrival('other', refused),
      arrival('client', { direction: 'outbound' }),
    ]),
    [
      ['shop/web', 'L4', 2, 0],
      ['(no ALLOW policy matches)', 'L4', 0, 1],
    ],
  );
  const last = policyHits(world, [arrival('client', { time: '2026-01-02T00:00:00.000Z' }), arrival('client')]);
  assert.equal(last[0]?.last, '2026-01-02T00:00:00.000Z');
});

test('a refusal is counted for the policy that the proxy named, also when it is gone by now', () => {
  const error = 'connection closed due to policy rejection: explicitly denied by: shop/gone';
  assert.equal(policyNamedIn(error), 'shop/gone');
  assert.deepEqual(rowsOf(worldOf(shopObjects, {}, 'istio-system'), [arrival('client', { error })]), [
    ['shop/gone', 'L4', 0, 1],
  ]);
});

test('where no policy applies, none is counted', () => {
  assert.deepEqual(rowsOf(worldOf(shopObjects, {}, 'istio-system'), [arrival('client')]), []);
});
