import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ConfigError,
  bool,
  choice,
  count,
  describeEnv,
  durationMs,
  formatDuration,
  list,
  parseDuration,
  readEnv,
  text,
} from './env.ts';

const SCHEMA = {
  XDS_ADDRESS: text('istiod:15012', 'where the control plane is', { empty: 'value' }),
  NODE_NAME: text(undefined, 'own node'),
  IPV6_ENABLED: bool(true, 'IPv6'),
  WORKERS: count(2, 'threads', { min: 1, max: 64 }),
  SECRET_TTL: durationMs(86_400_000, 'lifetime'),
  PROXY_MODE: choice(['shared', 'dedicated'], 'shared', 'mode'),
  LABELS: list(['a', 'b'], 'labels'),
};

test('defaults hold when nothing is set, and the result is frozen and typed', () => {
  const env = readEnv(SCHEMA, { UNKNOWN: 'ignored' });
  const mode: 'shared' | 'dedicated' = env.PROXY_MODE;
  assert.equal(mode, 'shared');
  assert.deepEqual(
    { ...env, LABELS: [...env.LABELS] },
    {
      XDS_ADDRESS: 'istiod:15012',
      NODE_NAME: undefined,
      IPV6_ENABLED: true,
      WORKERS: 2,
      SECRET_TTL: 86_400_000,
      PROXY_MODE: 'shared',
      LABELS: ['a', 'b'],
    },
  );
  assert.ok(Object.isFrozen(env));
});

test('each row decides what empty means', () => {
  const env = readEnv(SCHEMA, { XDS_ADDRESS: '', NODE_NAME: '', LABELS: '', WORKERS: '' });
  assert.equal(env.XDS_ADDRESS, '');
  assert.equal(env.NODE_NAME, undefined);
  assert.deepEqual(env.LABELS, []);
  assert.equal(env.WORKERS, 2);
});

test('all problems are named at once', () => {
  const wrong = { IPV6_ENABLED: 'yes', WORKERS: '0', SECRET_TTL: '10', PROXY_MODE: 'x' };
  assert.throws(
    () => readEnv(SCHEMA, wrong),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.code, 'ERR_RUNTIME_CONFIG');
      assert.deepEqual(
        error.problems.map((problem) => problem.split(' ')[0]),
        Object.keys(wrong),
      );
      return true;
    },
  );
});

test('durations have units and may be combined', () => {
  const cases: [string, number | undefined][] = [
    ['500ms', 500],
    ['10s', 10_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['0', 0],
    ['10', undefined],
    ['s', undefined],
    ['-1s', undefined],
    ['1y', undefined],
    ['1..2s', undefined],
    ['9'.repeat(40) + 'h', undefined],
  ];
  for (const [value, expected] of cases) assert.equal(parseDuration(value), expected, value);
});

test('what is written as a duration is read back, and no text throws', () => {
  fc.assert(
    fc.property(fc.nat(), (ms) => {
      assert.equal(parseDuration(formatDuration(ms)), ms);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (value) => {
      const ms = parseDuration(value);
      assert.ok(ms === undefined || Number.isSafeInteger(ms));
    }),
  );
});

test('the table describes itself', () => {
  assert.deepEqual(describeEnv(SCHEMA)[4], { name: 'SECRET_TTL', type: 'duration', default: '24h', doc: 'lifetime' });
});
