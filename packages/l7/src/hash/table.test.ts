import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildMaglev, buildRing, type HashedHost, type HashTable } from './table.ts';
import { type Hash64, xxHash64 } from './xxhash64.ts';

const hosts = [90, 91, 92, 93, 94, 95].map((port) => ({ name: `127.0.0.1:${port}`, weight: 1 }));
const halves = (hash: bigint): Hash64 => ({ hi: Number(hash >> 32n), lo: Number(hash & 0xffff_ffffn) });
const portAt = (table: HashTable, hash: bigint): number => 90 + (table.at(halves(hash)) ?? Number.NaN);

test('a ring has the points that upstream puts on it', () => {
  const ring = buildRing(hosts, 12);
  const points: readonly (readonly [number, bigint])[] = [
    [94, 833437586790550860n],
    [92, 928266305478181108n],
    [90, 1033482794131418490n],
    [95, 3551244743356806947n],
    [93, 3851675632748031481n],
    [91, 5583722120771150861n],
    [91, 6311230543546372928n],
    [93, 7700377290971790572n],
    [95, 13144177310400110813n],
    [92, 13444792449719432967n],
    [94, 15516499411664133160n],
    [90, 16117243373044804889n],
  ];
  for (const [index, [port, hash]] of points.entries()) {
    assert.equal(portAt(ring, hash), port, 'a key at a point belongs to it');
    assert.equal(portAt(ring, hash + 1n), (points[(index + 1) % points.length] as [number, bigint])[0]);
  }
  assert.equal(portAt(ring, 0n), 94);
  assert.equal(portAt(ring, (1n << 64n) - 1n), 94, 'behind the last point comes the first');
});

test('Maglev fills its table as upstream does', () => {
  const table = buildMaglev(hosts, 7);
  const ports = Array.from({ length: 7 }, (_, slot) => portAt(table, BigInt(slot)));
  assert.deepEqual(ports, [92, 94, 90, 91, 95, 90, 93]);
});

test('Maglev gives slots by weight as upstream does', () => {
  const table = buildMaglev(
    [
      { name: '127.0.0.1:90', weight: 1 },
      { name: '127.0.0.1:91', weight: 2 },
    ],
    17,
  );
  const slots = Array.from({ length: 17 }, (_, slot) => portAt(table, BigInt(slot)));
  assert.equal(slots.filter((port) => port === 90).length, 6);
  assert.deepEqual(slots.slice(0, 3), [91, 90, 90]);
});

const countsOf = (table: HashTable, total: number): number[] => {
  const counts: number[] = [];
  for (let index = 0; index < 20_000; index++) {
    const at = table.at(xxHash64(`user-${index}`)) as number;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return Array.from({ length: total }, (_, index) => (counts[index] ?? 0) / 20_000);
};

test('endpoints get keys by weight', () => {
  const weighted = hosts.map((host, index) => ({ ...host, weight: index === 0 ? 3 : 1 }));
  for (const table of [buildRing(weighted, 4096), buildMaglev(weighted)]) {
    const [first = 0, ...others] = countsOf(table, weighted.length);
    assert.ok(Math.abs(first - 3 / 8) < 0.06, `the heavy one has ${first}`);
    for (const share of others) assert.ok(Math.abs(share - 1 / 8) < 0.04, `a light one has ${share}`);
  }
});

const addresses = fc.uniqueArray(
  fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 65_535 })).map(([a, b]) => `10.0.0.${a}:${b}`),
  { minLength: 2, maxLength: 12 },
);
const owners = (list: readonly HashedHost[], table: HashTable): (string | undefined)[] =>
  Array.from({ length: 500 }, (_, index) => list[table.at(xxHash64(`key ${index}`)) ?? -1]?.name);

test('an endpoint that goes moves only its own keys on a ring', () => {
  fc.assert(
    fc.property(addresses, fc.nat(), (names, pick) => {
      // One point per endpoint and more do not depend on how many there are: the same size for each.
      const all = names.map((name) => ({ name, weight: 1 }));
      const gone = names[pick % names.length];
      const left = all.filter(({ name }) => name !== gone);
      const before = owners(all, buildRing(all, all.length * 64));
      const after = owners(left, buildRing(left, left.length * 64));
      for (const [index, owner] of before.entries()) if (owner !== gone) assert.equal(after[index], owner);
    }),
    { numRuns: 30 },
  );
});

test('an endpoint that goes moves few other keys of a Maglev table', () => {
  fc.assert(
    fc.property(addresses, fc.nat(), (names, pick) => {
      const all = names.map((name) => ({ name, weight: 1 }));
      const gone = names[pick % names.length];
      const left = all.filter(({ name }) => name !== gone);
      const before = owners(all, buildMaglev(all));
      const after = owners(left, buildMaglev(left));
      const moved = before.filter((owner, index) => owner !== gone && owner !== after[index]).length;
      assert.ok(moved < 500 * 0.1, `${moved} of 500 moved`);
    }),
    { numRuns: 10 },
  );
});

test('the order of the list has no meaning', () => {
  fc.assert(
    fc.property(addresses, (names) => {
      const list = names.map((name, index) => ({ name, weight: 1 + (index % 3) }));
      const turned = list.toReversed();
      assert.deepEqual(owners(list, buildRing(list)), owners(turned, buildRing(turned)));
    }),
    { numRuns: 20 },
  );
});

test('odd settings make a table all the same', () => {
  assert.equal(buildRing([]).at({ hi: 1, lo: 1 }), undefined);
  assert.equal(buildMaglev([]).at({ hi: 1, lo: 1 }), undefined);
  assert.equal(buildMaglev(hosts.slice(0, 1), 100).at({ hi: 1, lo: 1 }), 0, 'no prime: the default size');
  assert.equal(buildRing(hosts.slice(0, 1), 1).at({ hi: 1, lo: 1 }), 0);
  const light = [
    { name: 'a:1', weight: 1 },
    { name: 'b:1', weight: 1_000_000 },
  ];
  assert.notEqual(buildRing(light, 1024, 1024).at({ hi: 1, lo: 1 }), undefined, 'a ring stays below its limit');
});
