import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logLines, mergedLines } from './workload.ts';

test('lines of several sources stand in order of time; a line without a time stays behind the one before', () => {
  const app = logLines('app', '2026-01-01T00:00:02.000000Z started\n  at somewhere\n');
  const proxy = logLines(
    'proxy',
    '2026-01-01T00:00:01.000000Z\tinfo\taccess\tx\n{"level":"info","time":"2026-01-01T00:00:03.000000Z"}\n',
  );
  assert.deepEqual(
    mergedLines([app, proxy]).map(({ from, text }) => `${from} ${text.trim().slice(0, 12)}`),
    ['proxy 2026-01-01T0', 'app 2026-01-01T0', 'app at somewhere', 'proxy {"level":"in'],
  );
});
