import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meshConfigOptions } from './mesh-config.ts';

const optionsOf = (mesh: Readonly<Record<string, unknown>>) =>
  meshConfigOptions(mesh, { flags: {}, clusterId: 'c', revision: '', systemNamespace: 'istio-system' });

test('the access log file makes a log, and nothing else does', () => {
  assert.equal(optionsOf({ accessLogEncoding: 'JSON' }).accessLog, undefined);
  assert.deepEqual(optionsOf({ accessLogFile: '/dev/stdout', accessLogFormat: '%REQ(:PATH)%' }).accessLog, {
    path: '/dev/stdout',
    encoding: 'TEXT',
    textFormat: '%REQ(:PATH)%',
    jsonFields: {},
  });
});

test('fields of a JSON log come from the format; a broken one keeps the default', () => {
  const mesh = { accessLogFile: '/dev/stdout', accessLogEncoding: 'JSON' };
  assert.deepEqual(optionsOf({ ...mesh, accessLogFormat: '{"path":"%PATH%","n":1}' }).accessLog?.jsonFields, {
    path: '%PATH%',
  });
  assert.deepEqual(optionsOf({ ...mesh, accessLogFormat: '{' }).accessLog?.jsonFields, {});
});

test('an unknown path normalization is the default', () => {
  assert.equal(optionsOf({ pathNormalization: { normalization: 'NEVER' } }).pathNormalization, 'DEFAULT');
  assert.equal(optionsOf({ pathNormalization: { normalization: 'NONE' } }).pathNormalization, 'NONE');
});

test('discovery selectors are taken as a whole: one that cannot be read makes all void', () => {
  const good = { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['a'] }] };
  assert.deepEqual(optionsOf({ discoverySelectors: [good] }).discoverySelectors, [good]);
  for (const bad of [
    null,
    'x',
    { matchLabels: { team: 1 } },
    { matchExpressions: [{ key: 'team', operator: 'Like' }] },
  ])
    assert.deepEqual(optionsOf({ discoverySelectors: [good, bad] }).discoverySelectors, []);
});
