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
