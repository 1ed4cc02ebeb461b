import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates, podSearchDomains, withWildcards } from './names.ts';

const context = {
  namespace: 'shop',
  clusterDomain: 'cluster.local',
  searchDomains: podSearchDomains('shop', 'cluster.local'),
};

test('short names are expanded by their number of labels', () => {
  const names = (asked: string) => candidates(asked, context).map(({ name }) => name);
  assert.deepEqual(names('cart'), ['cart', 'cart.shop.svc.cluster.local']);
  assert.deepEqual(names('cart.other'), [
    'cart.other',
    'cart.other.svc.cluster.local',
    'cart.other.shop.svc.cluster.local',
  ]);
  assert.deepEqual(names('cart.other.svc'), [
    'cart.other.svc',
    'cart.other.svc.cluster.local',
    'cart.other.svc.svc.cluster.local',
  ]);
  assert.deepEqual(names('a.b.c.svc'), ['a.b.c.svc', 'a.b.c.svc.cluster.local']);
  assert.deepEqual(names('a.b.c.d.e'), ['a.b.c.d.e']);
});

test('a search domain at the end is cut off and marked', () => {
  const found = candidates('api.example.com.shop.svc.cluster.local', context);
  assert.ok(found.some(({ name, stripped }) => name === 'api.example.com' && stripped));
  assert.equal(found[0]?.stripped, false);
});

test('wildcards replace leading labels', () => {
  assert.deepEqual(withWildcards('a.b.c'), ['a.b.c', '*.b.c', '*.c']);
  assert.deepEqual(withWildcards('a'), ['a']);
});
