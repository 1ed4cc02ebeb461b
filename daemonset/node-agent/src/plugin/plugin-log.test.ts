import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { appendToFile, logLine } from './plugin-log.ts';

test('lines are appended for root alone, and a file of 10 MB is put aside once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-plugin-log-'));
  try {
    const path = join(folder, 'istio-cni.log');
    appendToFile(folder, logLine('error', 'one', { pod: 'a/b' }));
    appendToFile(folder, 'two');
    const [first = '', second] = readFileSync(path, 'utf8').split('\n');
    const { time, ...line } = JSON.parse(first) as Record<string, unknown>;
    assert.deepEqual(line, { level: 'error', msg: 'one', pod: 'a/b' });
    assert.equal(typeof time, 'string');
    assert.equal(second, 'two');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    writeFileSync(`${path}.1`, 'older');
    truncateSync(path, 10 * 1024 * 1024);
    appendToFile(folder, 'three');
    assert.equal(readFileSync(path, 'utf8'), 'three\n');
    assert.equal(statSync(`${path}.1`).size, 10 * 1024 * 1024);
    assert.equal(readdirSync(folder).length, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a folder that is not there is no failure', () => {
  appendToFile(join(tmpdir(), 'ambit-no-such-folder'), 'line');
});
