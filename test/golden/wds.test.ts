// Workload discovery against recorded behaviour: every case of `golden/cases/wds` through our translation, compared as canonical
// JSON. Works for any folder of that layout. Pure, one process, no sockets.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Model, type ModelDiff, type ObjectChange } from '@ambit/model';
import { meshConfigOptions } from '@ambit/model/mesh-config';
import { AuthorizationSchema } from '@ambit/proto/authorization';
import { AddressSchema } from '@ambit/proto/workload';
import { parseDocuments } from '@ambit/resources';
import { parse } from 'yaml';
import { deviations } from './deviations.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden'),
  'cases/wds',
);

interface Expectation {
  addresses?: Record<string, { address: JsonValue; aliases?: string[] }>;
  authorizations?: Record<string, JsonValue>;
  removedAddresses?: string[];
  removedAuthorizations?: string[];
  conditions?: Record<string, Record<string, JsonValue>>;
  conditionsAfterSteps?: Record<string, Record<string, JsonValue>>;
  steps?: Expectation[];
}

if (existsSync(folder)) await runGroup();
else if (process.env['AMBIT_GOLDEN_DIR'] !== undefined)
  test('golden wds', () => assert.fail(`missing folder ${folder}`));
else test('golden wds', { skip: `no recorded behaviour in ${folder}` }, () => {});

async function runGroup(): Promise<void> {
  let passed = 0;
  const names = readdirSync(folder).toSorted();
  const failures: string[] = [];
  const listed: string[] = [];
  await test('golden wds', () => {
    for (const name of names) {
      const title = name.slice(name.indexOf('-') + 1);
      const reason = deviations.wds[title];
      const difference = differenceOf(name);
      if (difference === undefined) passed++;
      else if (reason === undefined) failures.push(`${name}: ${difference}`);
      else listed.push(`${name}: ${reason}`);
    }
    console.log(
      `golden wds: ${passed}/${names.length} (listed deviations: ${listed.length}, failed: ${failures.length})`,
    );
    for (const line of listed) console.log(`  listed  ${line}`);
    for (const failure of failures.slice(0, 10)) console.log(`  failed  ${failure}`);
    assert.equal(failures.length, 0, `${failures.length} cases differ`);
  });
}

/** First difference of a case, or undefined when all of it agrees. */
function differenceOf(name: string): string | undefined {
  try {
    runCase(join(folder, name));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n').slice(0, 40).join('\n') : String(error);
  }
}

function runCase(path: string): void {
  const read = (file: string): string => (existsSync(join(path, file)) ? readFileSync(join(path, file), 'utf8') : '');
  const given = JSON.parse(read('options.json') || '{}') as { clusterId?: string; revision?: string; flags?: object };
  const expected = JSON.parse(read('expected.json')) as Expectation;
  const flags = Object.fromEntries(Object.entries(given.flags ?? {}).map(([key, value]) => [key, String(value)]));
  const mesh = (parse(read('meshconfig.yaml')) ?? {}) as Record<string, unknown>;
  const model = new Model(
    meshConfigOptions(mesh, {
      flags,
      clusterId: given.clusterId ?? 'Kubernetes',
      revision: given.revision ?? '',
      systemNamespace: 'istio-system',
    }),
  );
  const conditions: Conditions = {};
  noteConditions(conditions, model.apply(changesOf(read('input.yaml'), 'upsert')));
  compare(
    snapshotOf(model),
    { addresses: expected.addresses ?? {}, authorizations: expected.authorizations ?? {} },
    'start',
  );
  compare(conditions, expected.conditions ?? {}, 'conditions');
  compareBytes(model, read('raw.json'));
  const files = readdirSync(path)
    .filter((file) => file.startsWith('step-'))
    .toSorted();
  for (const [index, file] of files.entries()) {
    const before = snapshotOf(model).addresses ?? {};
    const diff = model.apply(changesOf(read(file), file.endsWith('-delete.yaml') ? 'delete' : 'upsert'));
    noteConditions(conditions, diff);
    const {
      addresses = {},
      authorizations = {},
      removedAddresses = [],
      removedAuthorizations = [],
    } = expected.steps?.[index] ?? {};
    compare(
      stepOf(model, diff),
      {
        addresses: withoutResent(addresses, before),
        authorizations,
        removedAddresses: removedAddresses.toSorted(),
        removedAuthorizations: removedAuthorizations.toSorted(),
      },
      file,
    );
  }
  if (expected.conditionsAfterSteps !== undefined)
    compare(conditions, expected.conditionsAfterSteps, 'conditions after steps');
}

/** Upstream sometimes sends again what the client has; only changes are required (W6). */
function withoutResent(sent: NonNullable<Expectation['addresses']>, held: NonNullable<Expectation['addresses']>) {
  const same = (name: string): boolean =>
    JSON.stringify(canonical(sent[name])) === JSON.stringify(canonical(held[name]));
  return Object.fromEntries(Object.entries(sent).filter(([name]) => held[name] === undefined || !same(name)));
}

function changesOf(text: string, type: 'upsert' | 'delete'): ObjectChange[] {
  return parseDocuments(text).map((object) =>
    type === 'upsert'
      ? { type, object }
      : {
          type,
          kind: object.kind ?? '',
          namespace: object.metadata?.namespace ?? '',
          name: object.metadata?.name ?? '',
        },
  );
}

function addressJson(model: Model, name: string): { address: JsonValue; aliases: string[] } {
  const resource = model.addresses.get(name);
  assert.ok(resource, `address ${name} is published`);
  return {
    address: toJson(AddressSchema, fromBinary(AddressSchema, resource.bytes)),
    aliases: [...resource.aliases].toSorted(),
  };
}

function authorizationJson(model: Model, name: string): JsonValue {
  const resource = model.authorizations.get(name);
  assert.ok(resource, `authorization ${name} is published`);
  return toJson(AuthorizationSchema, fromBinary(AuthorizationSchema, resource.bytes));
}

function snapshotOf(model: Model): Expectation {
  return {
    addresses: Object.fromEntries([...model.addresses.all()].map(({ name }) => [name, addressJson(model, name)])),
    authorizations: Object.fromEntries(
      [...model.authorizations.keys()].map((name) => [name, authorizationJson(model, name)]),
    ),
  };
}

function stepOf(model: Model, diff: ModelDiff): Expectation {
  return {
    addresses: Object.fromEntries([...diff.addresses.updated].map((name) => [name, addressJson(model, name)])),
    authorizations: Object.fromEntries(
      [...diff.authorizations.updated].map((name) => [name, authorizationJson(model, name)]),
    ),
    removedAddresses: [...diff.addresses.removed].toSorted(),
    removedAuthorizations: [...diff.authorizations.removed].toSorted(),
  };
}

type Conditions = Record<string, Record<string, JsonValue>>;

function noteConditions(known: Conditions, diff: ModelDiff): void {
  for (const { kind, namespace, name, manager, conditions } of diff.conditions) {
    // The recorder never applied conditions to its objects, so upstream had nothing to clear.
    if (conditions.length === 0) continue;
    const object = (known[`${kind} ${namespace}/${name}`] ??= {});
    object[manager] = conditions
      .map(({ type, status, reason, message }) => ({ type, status, reason, ...(message !== '' && { message }) }))
      .toSorted((a, b) => (a.type < b.type ? -1 : 1));
  }
}

/** Where the exact bytes were recorded, ours are the same. */
function compareBytes(model: Model, text: string): void {
  if (text === '') return;
  for (const [name, { typeUrl, hex }] of Object.entries(
    JSON.parse(text) as Record<string, { typeUrl: string; hex: string }>,
  )) {
    const ours = typeUrl.endsWith('Address') ? model.addresses.get(name) : model.authorizations.get(name);
    assert.equal(Buffer.from(ours?.bytes ?? []).toString('hex'), hex, `bytes of ${name}`);
  }
}

function compare(actual: unknown, expected: unknown, what: string): void {
  try {
    assert.deepEqual(canonical(actual), canonical(expected));
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Recorded data without versions and text forms, keys sorted, empty aliases dropped. */
function canonical(value: unknown, key = ''): unknown {
  if (Array.isArray(value))
    return (key === 'aliases' ? value.toSorted((a, b) => (String(a) < String(b) ? -1 : 1)) : value).map((item) =>
      canonical(item),
    );
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(value).toSorted()) {
    const child = (value as Record<string, unknown>)[name];
    if (name === 'version' && 'address' in value) continue;
    if (name === 'ips' && 'address' in value) continue;
    if (name === 'aliases' && Array.isArray(child) && child.length === 0) continue;
    out[name] = canonical(child, name);
  }
  return out;
}
