import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { forward } from './forward.ts';

test('bytes go both ways, and a pod that cannot be reached ends only that connection', async () => {
  const echo = createServer((socket) => socket.pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const refused: unknown[] = [];
  let isThere = false;
  const open = async () => {
    if (!isThere) throw new Error('no pod');
    return connect(port, '127.0.0.1');
  };
  {
    await using running = await forward(open, { address: '127.0.0.1', port: 0 }, (error) => refused.push(error));
    const first = connect(running.port, '127.0.0.1').resume();
    await once(first, 'close');
    assert.equal(refused.length, 1);
    isThere = true;
    const second = connect(running.port, '127.0.0.1');
    second.write('hello');
    assert.equal(String((await once(second, 'data'))[0]), 'hello');
  }
  echo.close();
  await once(echo, 'close');
});
