import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommanderError } from 'commander';
import { readCliConfig } from './config.ts';
import { buildProgram } from './program.ts';

test('a wrong option names the help of its own command, and an id', async () => {
  const words = ['waypoint', 'generate', '--for', 'nobody'];
  const program = await buildProgram(readCliConfig({ HOME: '/home/x' }), 'ambit', words);
  let said = '';
  const generate = program.commands[0]?.commands.find((one) => one.name() === 'generate');
  generate?.configureOutput({ writeErr: (text) => (said += text) });
  await assert.rejects(program.parseAsync(words, { from: 'user' }), CommanderError);
  assert.match(said, /^try: ambit waypoint generate --help$/mu);
  assert.match(said, /^id: ERR_CLI_INVALID /mu);
});

test('the form of explain conn is an option of the command line, wherever it stands', async () => {
  for (const words of [
    ['explain', 'conn', 'a line', '-o', 'json'],
    ['explain', '-o', 'json', 'conn', 'a line'],
  ]) {
    const program = await buildProgram(readCliConfig({ HOME: '/home/x' }), 'ambit', words);
    const explain = program.commands.find((one) => one.name() === 'explain');
    const lines: unknown[] = [];
    explain?.commands.find((one) => one.name() === 'conn')?.action((line) => void lines.push(line));
    await program.parseAsync(words, { from: 'user' });
    assert.deepEqual([lines, explain?.opts()['output']], [['a line'], 'json']);
  }
});
