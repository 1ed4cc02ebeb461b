import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { LoadBalancer_Algo, LoadBalancerSchema } from '@ambit/proto/waypoint';
import fc from 'fast-check';
import { RoundRobin } from './round-robin.ts';
import { WarmUp } from './warm-up.ts';

const of = (key: string, weight = 1) => ({ endpoint: { key }, weight });

describe('slow start', () => {
  const lb = create(LoadBalancerSchema, { warmup: { seconds: 100n }, warmupMin: 10, warmupAggression: 1 });
  const weights = (list: readonly { readonly weight: number }[]): number[] => list.map(({ weight }) => weight);

  test('a newcomer grows from the smallest share to its own', () => {
    const warmUp = new WarmUp();
    warmUp.apply('b', lb, [of('old', 2)], 0);
    const at = (ms: number): number[] => weights(warmUp.apply('b', lb, [of('old', 2), of('new', 2)], ms));
    assert.deepEqual(at(200_000), [2, 0.2]);
    assert.deepEqual(at(250_000), [2, 1]);
    assert.deepEqual(at(299_900), [2, 1.98]);
    assert.deepEqual(at(300_000), [2, 2]);
  });

  test('one that went away is new again', () => {
    const warmUp = new WarmUp();
    warmUp.apply('b', lb, [of('a'), of('c')], 0);
    warmUp.apply('b', lb, [of('a')], 150_000);
    assert.deepEqual(weights(warmUp.apply('b', lb, [of('a'), of('c')], 160_000)), [1, 0.1]);
  });

  test('aggression bends the curve, and other algorithms know no warm-up', () => {
    const eager = create(LoadBalancerSchema, { warmup: { seconds: 100n }, warmupAggression: 2 });
    const warmUp = new WarmUp();
    warmUp.apply('b', eager, [of('a')], 0);
    assert.deepEqual(weights(warmUp.apply('b', eager, [of('a')], 25_000)), [0.5]);
    const random = create(LoadBalancerSchema, { warmup: { seconds: 100n }, algo: LoadBalancer_Algo.RANDOM });
    assert.deepEqual(weights(new WarmUp().apply('b', random, [of('a', 3)], 0)), [3]);
  });
});

describe('round robin', () => {
  test('turns follow the weights over every full round, whatever the start', () => {
    const someWeights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(someWeights, fc.double({ min: 0, max: 0.999, noNaN: true }), (list, start) => {
        const robin = new RoundRobin();
        const candidates = list.map((weight, index) => of(String(index), weight));
        const total = list.reduce((sum, weight) => sum + weight, 0);
        const counts = new Map<string, number>();
        for (let turn = 0; turn < total * 20; turn++) {
          const key = robin.next('b', candidates, () => start)?.endpoint.key ?? '';
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
        for (const [index, weight] of list.entries())
          assert.ok(
            Math.abs((counts.get(String(index)) ?? 0) - weight * 20) <= 2,
            `${[...counts].join(' ')} of ${list.join(' ')}`,
          );
      }),
    );
  });

  test('nobody has two turns in a row while others of the same weight wait', () => {
    const robin = new RoundRobin();
    const candidates = ['a', 'b', 'c'].map((key) => of(key));
    const turns = Array.from({ length: 9 }, () => robin.next('x', candidates, () => 0)?.endpoint.key);
    assert.deepEqual(turns, ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c']);
    assert.equal(
      robin.next('x', [], () => 0),
      undefined,
    );
  });
});
