import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { clusterDirectory, listClusters, readCluster } from './state-folder.ts';

test('a name that could leave the folder is refused', () => {
  for (const name of ['', '../x', 'A', 'a/b', '-a', 'a'.repeat(31)]) {
    assert.throws(() => clusterDirectory('/root', name), { code: 'ERR_CLI_INVALID' });
  }
});

test('a description that a crash cut short counts as not running', () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-cli-'));
  try {
    mkdirSync(join(root, 'one'));
    writeFileSync(join(root, 'one', 'cluster.json'), '{"pid":');
    assert.equal(readCluster(root, 'one').running, undefined);
    writeFileSync(join(root, 'one', 'cluster.json'), JSON.stringify({ pid: process.pid, mode: 'loopback', nodes: [] }));
    assert.equal(listClusters(root)[0]?.running?.mode, 'loopback');
  } finally {
    rmSync(root, { recursive: true });
  }
});
