import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderFailedTest } from './failed-tests.ts';
import { sourceFlags } from './step.ts';
import { readRecords } from './summary-reporter.ts';

test('a failed test is shown with its group, its place and the first 25 lines of what it says', () => {
  const message = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`).join('\n');
  const lines = renderFailedTest(
    'loopback',
    { name: 'it holds', file: '/repo/test/a.test.ts', message },
    '/repo/',
  ).split('\n');
  assert.equal(lines[0], 'FAILED loopback: it holds (test/a.test.ts)');
  assert.deepEqual(lines.slice(25), ['  line 25', '  ... 5 more lines above']);
});

test('the runner leaves what failed, by the test itself and not by its suite, and the counts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-reporter-'));
  try {
    const file = join(folder, 'sample.test.mjs');
    writeFileSync(
      file,
      `import { suite, test } from 'node:test';
       suite('a suite', () => {
         test('it fails', () => { throw new Error('first line\\nsecond line'); });
         test('it passes', () => {});
       });`,
    );
    // A runner inside a runner reports to it, unless this is taken away.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const reporter = new URL('summary-reporter.ts', import.meta.url).href;
    for (const isolation of ['none', 'process']) {
      const records = join(folder, isolation);
      const ran = spawnSync(
        process.execPath,
        [
          ...sourceFlags,
          '--test',
          `--test-isolation=${isolation}`,
          `--test-reporter=${reporter}`,
          `--test-reporter-destination=${records}`,
          file,
        ],
        { env, encoding: 'utf8' },
      );
      assert.equal(ran.status, 1, ran.stderr);
      const { counts, failed } = readRecords(readFileSync(records, 'utf8'));
      assert.deepEqual(failed, [{ name: 'it fails', file, message: 'first line\nsecond line' }], isolation);
      assert.deepEqual([counts?.passed, counts?.failed], [1, 1]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a runner that was ended leaves what had failed until then', () => {
  const line = JSON.stringify({ kind: 'failed', test: { name: 'it fails', message: 'why' } });
  const { counts, failed } = readRecords(`${line}\n{"kind":"cou`);
  assert.equal(counts, undefined);
  assert.deepEqual(failed, [{ name: 'it fails', message: 'why' }]);
});
