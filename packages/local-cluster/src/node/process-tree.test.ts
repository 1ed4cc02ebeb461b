import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { killTree, processTree, resizeTerminal } from './process-tree.ts';

const isLinux = existsSync('/proc/self/task');

test('a helper and what it started end together', { skip: !isLinux }, async () => {
  const child = spawn('sh', ['-c', 'sleep 30 & echo started; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const tree = processTree(pid);
  assert.equal(tree.length, 2);
  killTree(pid);
  await once(child, 'exit');
  const left = tree[1] ?? 0;
  const deadline = Date.now() + 5000;
  // Adopted by init, which may take a moment to collect it.
  while (existsSync(`/proc/${left}/fd/0`) && Date.now() < deadline) await new Promise(setImmediate);
  assert.ok(!existsSync(`/proc/${left}/fd/0`));
});

test('what is gone or has no terminal is left alone', () => {
  assert.deepEqual(processTree(2 ** 30), [2 ** 30]);
  killTree(2 ** 30);
  resizeTerminal(2 ** 30, { width: 80, height: 24 });
  resizeTerminal(process.pid, { width: -1, height: Number.NaN });
});
