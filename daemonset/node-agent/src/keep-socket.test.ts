import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isListening } from '@ambit/net/testing';
import { silentLogger } from '@ambit/runtime/log';
import { keepListening, type Listen } from './keep-socket.ts';

test('a socket whose file is removed listens again; connections through the old one live on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-socket-'));
  const path = join(folder, 's.sock');
  const listened = new EventTarget();
  const listen: Listen = async () => {
    const server = createServer((socket) => void socket.pipe(socket));
    server.listen(path);
    await once(server, 'listening');
    listened.dispatchEvent(new Event('listening'));
    return async () => void server.close();
  };
  const stop = await keepListening(path, listen, silentLogger, 5);
  try {
    const old = connect(path);
    await once(old, 'connect');
    const again = once(listened, 'listening', { signal: AbortSignal.timeout(5000) });
    renameSync(path, join(folder, 'moved'));
    await again;
    assert.equal(existsSync(path), true);
    assert.equal(await isListening({ path }), true);
    old.write('still here');
    const [chunk] = (await once(old, 'data')) as [Buffer];
    assert.equal(chunk.toString(), 'still here');
    old.destroy();
  } finally {
    await stop();
    rmSync(folder, { recursive: true });
  }
  assert.equal(await isListening({ path }), false);
});
