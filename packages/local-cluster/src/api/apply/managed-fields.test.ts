// Server-side apply: ownership, conflicts, given-up fields, on builtin and custom schemas.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinSchema } from '../schema/from-descriptor.ts';
import { ApiError } from '../status.ts';
import type { JsonObject } from '../json.ts';
import { applyConfiguration, trackUpdate } from './managed-fields.ts';

const schema = builtinSchema('v1', 'Service');
const time = '2026-01-01T00:00:00Z';

const configuration = (spec: JsonObject, labels?: JsonObject): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 's', ...(labels === undefined ? {} : { labels }) },
  spec,
});

const apply = (live: JsonObject | undefined, applied: JsonObject, manager: string, force = false): JsonObject =>
  applyConfiguration({
    schema,
    hasStatus: true,
    live,
    applied,
    writer: { manager, subresource: undefined, apiVersion: 'v1', time },
    force,
    described: '/s; v1, Kind=Service',
  });

test('list elements are merged by their keys and owned one by one', () => {
  const one = apply(undefined, configuration({ ports: [{ port: 80, name: 'http' }] }), 'one');
  const both = apply(one, configuration({ ports: [{ port: 443, name: 'https' }] }), 'two');
  assert.deepEqual(both['spec'], {
    ports: [
      { port: 80, name: 'http' },
      { port: 443, name: 'https' },
    ],
  });
  const without = apply(both, configuration({}), 'two');
  assert.deepEqual(without['spec'], { ports: [{ port: 80, name: 'http' }] });
});

test('a field of another manager is a conflict unless forced', () => {
  const one = apply(undefined, configuration({ type: 'ClusterIP' }), 'one');
  assert.throws(
    () => apply(one, configuration({ type: 'NodePort' }), 'two'),
    (error) => ApiError.is(error) && error.message === 'Apply failed with 1 conflict: conflict with "one": .spec.type',
  );
  const forced = apply(one, configuration({ type: 'NodePort' }), 'two', true);
  assert.deepEqual(forced['spec'], { type: 'NodePort' });
});

test('the same value is shared and stays until both give it up', () => {
  const shared = apply(
    apply(undefined, configuration({ type: 'ClusterIP' }), 'one'),
    configuration({ type: 'ClusterIP' }),
    'two',
  );
  const kept = apply(shared, configuration({}), 'one');
  assert.deepEqual(kept['spec'], { type: 'ClusterIP' });
  const gone = apply(kept, configuration({}, { a: 'b' }), 'two');
  // The empty spec itself still belongs to the first manager.
  assert.deepEqual(gone['spec'], {});
});

test('an update takes over what it changes', () => {
  const live = apply(undefined, configuration({ type: 'ClusterIP' }), 'one');
  const next = { ...live, spec: { type: 'NodePort' } };
  const tracked = trackUpdate({
    schema,
    hasStatus: true,
    live,
    next,
    writer: { manager: 'editor', subresource: undefined, apiVersion: 'v1', time },
  });
  const fields = (tracked['metadata'] as { managedFields: { manager: string; fieldsV1: JsonObject }[] }).managedFields;
  assert.deepEqual(
    fields.map((entry) => [entry.manager, entry.fieldsV1]),
    [['editor', { 'f:spec': { 'f:type': {} } }]],
  );
});

test('an undeclared field and a wrong type are refused with their path', () => {
  assert.throws(
    () => apply(undefined, configuration({ bogus: 1 }), 'one'),
    /\.spec\.bogus: field not declared in schema/,
  );
  assert.throws(
    () => apply(undefined, configuration({ ports: 'x' }), 'one'),
    /\.spec\.ports: expected list, got string/,
  );
});
