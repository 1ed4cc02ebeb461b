import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

test('a cluster whose process ended does not run, even while another process has its pid', () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-cli-'));
  const stat = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'latin1');
  try {
    if (!existsSync('/proc/self/stat')) return;
    const startTime = stat(process.pid).split(') ').at(-1)?.split(' ')[19];
    const describe = (text: object): void => writeFileSync(join(root, 'one', 'cluster.json'), JSON.stringify(text));
    mkdirSync(join(root, 'one'));
    describe({ pid: process.pid, startTime, mode: 'loopback', nodes: [] });
    assert.equal(readCluster(root, 'one').running?.pid, process.pid);
    describe({ pid: process.pid, startTime: '1', mode: 'loopback', nodes: [] });
    assert.equal(readCluster(root, 'one').running, undefined);
  } finally {
    rmSync(root, { recursive: true });
  }
});
