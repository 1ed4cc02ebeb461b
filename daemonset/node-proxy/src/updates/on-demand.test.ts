import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import { parseLocalState } from './local-file.ts';
import { ABSENT_MS, createOnDemand } from './on-demand.ts';

const world: Readonly<Record<string, string>> = {
  '/10.0.0.1':
    'services: [{ name: web, namespace: shop, hostname: web.shop, vips: ["/10.0.0.1"], ports: { 80: 80 }, waypoint: { destination: "shop/way.shop", hboneMtlsPort: 15008 } }]',
  'shop/way.shop':
    'services: [{ name: way, namespace: shop, hostname: way.shop, vips: ["/10.0.0.2"], ports: { 15008: 15008 } }]',
};

function setUp() {
  let nowMs = 0;
  const asked: string[] = [];
  const store = createStateStore();
  const onDemand = createOnDemand({
    snapshot: () => store.snapshot(),
    ask: async (names) => {
      asked.push(...names);
      for (const name of names) if (world[name] !== undefined) store.apply(parseLocalState(world[name]));
    },
    clock: { now: () => nowMs, setTimeout: () => ({ [Symbol.dispose]: () => undefined }) },
  });
  return { onDemand, asked, pass: (ms: number) => (nowMs += ms) };
}

test('an address and the waypoint it refers to are asked for once', async () => {
  const { onDemand, asked } = setUp();
  await onDemand.fetch('', '10.0.0.1');
  await onDemand.fetch('', '10.0.0.1');
  assert.deepEqual(asked, ['/10.0.0.1', 'shop/way.shop']);
});

test('an address that nobody has is asked for again only after a while', async () => {
  const { onDemand, asked, pass } = setUp();
  await onDemand.fetch('west', '8.8.8.8');
  await onDemand.fetch('west', '8.8.8.8');
  assert.deepEqual(asked, ['west/8.8.8.8']);
  pass(ABSENT_MS);
  await onDemand.fetch('west', '8.8.8.8');
  assert.equal(asked.length, 2);
});
