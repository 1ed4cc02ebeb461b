import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { isHostName, MAX_CLIENT_HELLO, serverNameOf } from './client-hello.ts';

/** The first flight of a real client. */
const helloOf = (servername: string): Promise<Buffer> =>
  new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk);
        done();
      },
    });
    const socket = connect({ socket: wire, ...(servername === '' ? {} : { servername }) });
    socket.on('error', () => undefined);
    setImmediate(() => socket.destroy());
  });

test('the name of a real client is read as soon as it is whole, in however many pieces it comes', async () => {
  const hello = await helloOf('API.Example.com');
  assert.deepEqual(serverNameOf(hello), { kind: 'name', name: 'api.example.com' });
  for (let length = 0; length < hello.length; length++)
    assert.equal(serverNameOf(hello.subarray(0, length)).kind, 'more', `${length} bytes`);
  assert.deepEqual(serverNameOf(Buffer.concat([hello, Buffer.from('behind')])).kind, 'name');
});

test('a hello in several records is one hello', async () => {
  const hello = await helloOf('api.example.com');
  const body = hello.subarray(5);
  const record = (piece: Buffer): Buffer => {
    const head = Buffer.from([0x16, 3, 1, 0, 0]);
    head.writeUInt16BE(piece.length, 3);
    return Buffer.concat([head, piece]);
  };
  const split = Buffer.concat([record(body.subarray(0, 3)), record(body.subarray(3, 50)), record(body.subarray(50))]);
  assert.deepEqual(serverNameOf(split), { kind: 'name', name: 'api.example.com' });
});

test('a client without a name has none', async () => {
  assert.deepEqual(serverNameOf(await helloOf('')), { kind: 'none' });
});

test('what is no hello is not waited for', () => {
  assert.equal(serverNameOf(Buffer.from('GET / HTTP/1.1')).kind, 'none');
  assert.equal(serverNameOf(Buffer.from([0x16, 3, 1, 0, 1, 2])).kind, 'none', 'another handshake message');
  assert.equal(serverNameOf(Buffer.from([0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff])).kind, 'none', 'too long');
  assert.equal(serverNameOf(Buffer.from([0x16, 3, 1, 0, 0])).kind, 'none', 'an empty record');
  assert.equal(isHostName('a b'), false);
  assert.equal(isHostName('..'), false);
});

test('no bytes make it throw, change a verdict, or wait beyond the limit', async () => {
  const hello = await helloOf('api.example.com');
  const mutated = fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 8 }).map((edits) => {
    const bytes = Buffer.from(hello);
    for (const [at, value] of edits) bytes[at] = value;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        mutated,
        fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        const verdict = serverNameOf(bytes);
        if (verdict.kind === 'name') assert.ok(isHostName(verdict.name));
        if (verdict.kind !== 'more') assert.deepEqual(serverNameOf(Buffer.concat([bytes, Buffer.alloc(64)])), verdict);
        assert.notEqual(serverNameOf(Buffer.concat([bytes, Buffer.alloc(MAX_CLIENT_HELLO)])).kind, 'more');
      },
    ),
    { numRuns: 2000 },
  );
});
