// The objects of an installation against the recorded inventories: every file of `golden/inventory`. Compared: names, label keys, ports,
// flags, variables, volumes, probes, rules, webhooks. Differences that are meant stand in deviations.json. No cluster.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { renderInstallation } from '@ambit/charts';
import { deviations } from './deviations.ts';
import { inventoryOf } from './inventory-of.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden'),
  'inventory',
);

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any;

const nameOf = (entry: Loose): string => `${entry.kind} ${entry.name}`;
const keyOf = (item: Loose, at: number): string =>
  typeof item === 'object' && item !== null && 'name' in item ? String(item.name) : String(at);
const isText = (item: Loose): boolean => typeof item === 'string';

/** Places where two values differ; lists of texts are compared as sets: `+x` is more, `-x` is missing. */
function differences(expected: Loose, actual: Loose, path: string): readonly string[] {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.every(isText) && actual.every(isText)) {
      return [
        ...expected.filter((item) => !actual.includes(item)).map((item) => `${path}-${item}`),
        ...actual.filter((item) => !expected.includes(item)).map((item) => `${path}+${item}`),
      ];
    }
    const found = new Map(actual.map((item, at) => [keyOf(item, at), item]));
    const wanted = new Map(expected.map((item, at) => [keyOf(item, at), item]));
    return [...new Set([...wanted.keys(), ...found.keys()])].flatMap((key) =>
      differences(wanted.get(key), found.get(key), `${path}.${key}`),
    );
  }
  if (typeof expected === 'object' && typeof actual === 'object' && expected !== null && actual !== null) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
    return names.flatMap((name) => differences(expected[name], actual[name], path === '' ? name : `${path}.${name}`));
  }
  return JSON.stringify(expected ?? null) === JSON.stringify(actual ?? null)
    ? []
    : [`${path}: ${JSON.stringify(expected)} here ${JSON.stringify(actual)}`];
}

const isMeant = (kind: string, place: string): boolean =>
  deviations.inventoryPlaces.some(
    (one) => one.kind === kind && place.startsWith(one.path) && place.includes(one.with ?? ''),
  );

function compare(file: string): void {
  const { objects: recorded } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { objects: Loose[] };
  const ours = new Map(
    renderInstallation({ namespace: 'istio-system' })
      .map(inventoryOf)
      .map((entry) => [nameOf(entry), entry]),
  );
  const failures: string[] = [];
  const listed: string[] = [];
  let passed = 0;
  for (const expected of recorded) {
    const actual = ours.get(nameOf(expected));
    ours.delete(nameOf(expected));
    const places = actual === undefined ? ['is missing'] : differences(expected, actual, '');
    const unexcused = places.filter((place) => !isMeant(expected.kind, place));
    if (places.length === 0) passed += 1;
    else if (unexcused.length === 0) listed.push(`${nameOf(expected)}: ${places.join('; ')}`);
    else failures.push(`${nameOf(expected)}: ${unexcused.join('; ')}`);
  }
  for (const name of ours.keys()) {
    const reason = deviations.inventory[name];
    if (reason !== undefined) listed.push(`${name}: ${reason}`);
    else failures.push(`${name}: only here`);
  }
  console.log(`golden inventory: ${passed}/${recorded.length} (listed: ${listed.length}, failed: ${failures.length})`);
  for (const line of listed) console.log(`  listed  ${line}`);
  for (const line of failures) console.log(`  failed  ${line}`);
  assert.deepEqual(failures, []);
}

if (existsSync(folder)) {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json')))
    test(`golden inventory ${file}`, () => compare(file));
} else if (process.env['AMBIT_GOLDEN_DIR'] !== undefined) {
  test('golden inventory', () => assert.fail(`missing folder ${folder}`));
} else test('golden inventory', { skip: `no recorded behaviour in ${folder}` }, () => {});
