import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCliConfig } from '../config.ts';
import { buildProgram } from '../program.ts';
import { complete, positionOf } from './complete.ts';
import { completionScript } from './scripts.ts';

const config = readCliConfig({ AMBIT_CONFIG: '/nonexistent' });
const program = await buildProgram(config, 'ambit');
const values = async (...words: string[]): Promise<readonly string[]> =>
  (await complete(program, config, words))
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0] ?? '');

test('commands, their subcommands and options are offered, and the answer ends with a directive', async () => {
  assert.deepEqual(await values('wayp'), ['waypoint', ':4']);
  assert.ok((await values('waypoint', '')).includes('apply'));
  assert.ok((await values('waypoint', 'apply', '--wait')).includes('--wait'));
  assert.ok(!(await values('')).includes('__complete'));
});

test('choices of an option and names of the cluster are known from the position', async () => {
  assert.deepEqual(await values('waypoint', 'apply', '--for', 'wo'), ['workload', ':4']);
  assert.deepEqual(positionOf(program, ['mesh', 'add', '']), { kind: 'names', of: 'namespace' });
  assert.deepEqual(positionOf(program, ['mesh', 'status', '-n', '']), { kind: 'names', of: 'namespace' });
});

test('every shell has a script that asks __complete', () => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell'])
    assert.match(completionScript(shell, 'ambit'), /ambit __complete/);
});
