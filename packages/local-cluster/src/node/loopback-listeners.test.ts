import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { createListenerKeeper } from './loopback-listeners.ts';

const skip = process.platform === 'linux' ? false : 'needs 127/8';
const address = `127.77.${process.pid & 255}.1`;
const port = 15_008;

const program = `
  process.on('message', (message, server) => {
    if (message.error !== undefined) { console.log('error ' + message.error); return; }
    server.on('connection', (socket) => socket.end(process.argv[1]));
    console.log('listening');
  });
  process.send({ kind: 'listen', id: 1, address: '${address}', port: ${port} });
`;

function generation(name: string): ChildProcess {
  return spawn(process.execPath, ['-e', program, name], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
}

async function answerOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

test(
  'a listener outlives its program: connections wait for the next generation',
  { skip, timeout: 20_000 },
  async () => {
    const keeper = createListenerKeeper();
    const first = generation('one');
    keeper.attach(first);
    await once(first.stdout as NodeJS.ReadableStream, 'data');
    assert.equal(await answerOf(connect(port, address)), 'one');
    first.kill('SIGKILL');
    await once(first, 'exit');

    const waiting = connect(port, address);
    await once(waiting, 'connect');
    const second = generation('two');
    keeper.attach(second);
    assert.equal(await answerOf(waiting), 'two');
    second.kill('SIGKILL');
    await once(second, 'exit');
    keeper.close();
    await new Promise(setImmediate);
    await assert.rejects(once(connect(port, address), 'connect'), /ECONNREFUSED/);
  },
);

test('only loopback addresses are bound for a program', { skip, timeout: 20_000 }, async () => {
  const keeper = createListenerKeeper();
  const child = spawn(
    process.execPath,
    [
      '-e',
      `process.send({ kind: 'listen', id: 1, address: '0.0.0.0', port: ${port} }); setTimeout(() => process.exit(0), 100); process.on('message', () => console.log('answered'));`,
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    },
  );
  keeper.attach(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += String(chunk)));
  await once(child, 'exit');
  assert.equal(text, '');
  keeper.close();
});
