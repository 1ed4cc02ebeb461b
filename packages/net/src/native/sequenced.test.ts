import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectSequenced, listenSequenced, type SequencedSocket } from './sequenced.ts';
import { isNativeAvailable } from './libc.ts';

test(
  'packets and a descriptor cross in order, the end is seen on both sides',
  { skip: !isNativeAvailable(), timeout: 5000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ambit-seq-'));
    const accepted = Promise.withResolvers<SequencedSocket>();
    const listener = listenSequenced(join(directory, 'socket'), accepted.resolve);
    const client = connectSequenced(join(directory, 'socket'));
    const server = await accepted.promise;
    const file = join(directory, 'passed');
    writeFileSync(file, 'passed on');
    const fd = openSync(file, 'r');
    try {
      server.send(Buffer.from('one'));
      server.send(Buffer.from('two'), fd);
      assert.deepEqual(await client.receive(), { bytes: Buffer.from('one'), fds: [] });
      const second = await client.receive();
      assert.equal(second?.bytes.toString(), 'two');
      const [received = -1] = second?.fds ?? [];
      assert.notEqual(received, fd);
      assert.equal(readFileSync(received, 'utf8'), 'passed on');
      closeSync(received);
      client.close();
      assert.equal(await server.receive(), undefined);
      await server.closed;
    } finally {
      closeSync(fd);
      server.close();
      listener.close();
      rmSync(directory, { recursive: true });
    }
  },
);

test(
  'a packet that comes while nobody looks wakes who waits for it, without a timer',
  { skip: !isNativeAvailable(), timeout: 5000 },
  async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const directory = mkdtempSync(join(tmpdir(), 'ambit-seq-'));
    const accepted = Promise.withResolvers<SequencedSocket>();
    const listener = listenSequenced(join(directory, 'socket'), accepted.resolve);
    const client = connectSequenced(join(directory, 'socket'));
    const server = await accepted.promise;
    try {
      for (const text of ['one', 'two', 'three']) {
        const waiting = server.receive();
        await new Promise((resolve) => setImmediate(resolve));
        client.send(Buffer.from(text));
        assert.equal((await waiting)?.bytes.toString(), text);
      }
      client.close();
      await server.closed;
    } finally {
      server.close();
      listener.close();
      rmSync(directory, { recursive: true });
    }
  },
);

test('a packet over the limit is refused', { skip: !isNativeAvailable(), timeout: 5000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-seq-'));
  const accepted = Promise.withResolvers<SequencedSocket>();
  const listener = listenSequenced(join(directory, 'socket'), accepted.resolve);
  const client = connectSequenced(join(directory, 'socket'));
  const server = await accepted.promise;
  try {
    client.send(Buffer.alloc(2000));
    await assert.rejects(server.receive(), { code: 'ERR_NET_MESSAGE' });
  } finally {
    client.close();
    server.close();
    listener.close();
    rmSync(directory, { recursive: true });
  }
});
