import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFrameReader, frame, framedSocket } from './framed-socket.ts';

/** Two connected sockets; the first one is framed. */
async function pair(): Promise<{ peer: Socket; framed: ReturnType<typeof framedSocket> }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const peer = createConnection((server.address() as { port: number }).port, '127.0.0.1');
  peer.on('error', () => undefined);
  const [socket] = await accepted;
  server.close();
  return { peer, framed: framedSocket(socket, 100) };
}

test('messages come out whole however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      (messages, step) => {
        const stream = Buffer.concat(messages.map(frame));
        const read = createFrameReader(50);
        const out: Buffer[] = [];
        for (let at = 0; at < stream.length; at += step) out.push(...read(stream.subarray(at, at + step)));
        assert.deepEqual(
          out.map((bytes) => [...bytes]),
          messages.map((bytes) => [...bytes]),
        );
      },
    ),
  );
});

test('a message over the limit is refused as soon as its length is known', () => {
  assert.throws(() => createFrameReader(100)(Buffer.from([0, 0, 0, 101])), { code: 'ERR_NET_MESSAGE' });
});

test('messages pass in both directions, the end is told once all are read', async () => {
  const { peer, framed } = await pair();
  peer.end(Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))]));
  await framed.send(Buffer.from('c'));
  const [received] = (await once(peer, 'data')) as [Buffer];
  assert.deepEqual([...received], [0, 0, 0, 1, 'c'.charCodeAt(0)]);
  assert.equal(String(await framed.receive()), 'a');
  assert.equal(String(await framed.receive()), 'b');
  assert.equal(await framed.receive(), undefined);
  framed.close();
  await framed.closed;
  peer.destroy();
});

test('a peer that sends more than the limit is cut off', async () => {
  const { peer, framed } = await pair();
  peer.write(Buffer.from([255, 255, 255, 255]));
  await assert.rejects(framed.receive(), { code: 'ERR_NET_MESSAGE' });
  await framed.closed;
  peer.destroy();
});

test('a peer that sends faster than we read has to wait, and loses nothing', async () => {
  const { peer, framed } = await pair();
  const count = 1000;
  for (let index = 0; index < count; index += 1) peer.write(frame(Buffer.from(String(index))));
  peer.end();
  for (let index = 0; index < count; index += 1) assert.equal(String(await framed.receive()), String(index));
  assert.equal(await framed.receive(), undefined);
  framed.close();
  await framed.closed;
});
