import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { constants, createDeflate, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { spdyDictionary } from './dictionary.ts';
import { controlFrame, dataFrame, FrameReader, frameType, maxControlBytes } from './frames.ts';
import { formatHeaders, HeaderReader, HeaderWriter } from './header-block.ts';
import { SpdySession } from './session.ts';
import type { SpdyStream } from './session.ts';
import { SpdyError } from './spdy-error.ts';

test('the dictionary is the one of the draft', () => {
  assert.equal(spdyDictionary.length, 1423);
});

test('blocks of one compressing zlib stream are read in order', async () => {
  const deflate = createDeflate({ dictionary: spdyDictionary });
  const chunks: Buffer[] = [];
  deflate.on('data', (chunk: Buffer) => chunks.push(chunk));
  const reader = new HeaderReader();
  for (let index = 0; index < 40; index++) {
    const headers = new Map([
      ['streamtype', index % 2 === 0 ? 'data' : 'error'],
      ['port', '8080'],
      ['long', `${index}`.repeat(1000)],
    ]);
    deflate.write(formatHeaders(headers));
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, () => resolve()));
    assert.deepEqual(reader.read(Buffer.concat(chunks.splice(0))), headers);
  }
  deflate.close();
});

test('what the writer writes the reader reads', () => {
  const writer = new HeaderWriter();
  const reader = new HeaderReader();
  for (const value of ['a', 'b', 'a']) {
    assert.deepEqual(reader.read(writer.write(new Map([['k', value]]))), new Map([['k', value]]));
  }
});

test('a header block that grows beyond the limit is refused', () => {
  const flush = constants.Z_SYNC_FLUSH;
  const block = deflateSync(Buffer.alloc(10_000_000), { dictionary: spdyDictionary, finishFlush: flush });
  assert.throws(() => new HeaderReader().read(block), SpdyError);
});

test('any bytes in any pieces give frames or a SpdyError', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (pieces) => {
      const reader = new FrameReader();
      const headers = new HeaderReader();
      try {
        for (const piece of pieces) {
          for (const frame of reader.push(Buffer.from(piece))) {
            if (frame.kind === 'control') headers.read(frame.body);
          }
        }
      } catch (error) {
        assert.ok(error instanceof SpdyError, String(error));
      }
    }),
  );
});

test('any bytes after a good zlib start give headers or a SpdyError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        new HeaderReader().read(Buffer.concat([Buffer.from('78bbe3c6a7c2', 'hex'), Buffer.from(bytes)]));
      } catch (error) {
        assert.ok(error instanceof SpdyError, String(error));
      }
    }),
  );
});

test('frames survive any cut', () => {
  const bytes = Buffer.concat([
    controlFrame(frameType.ping, 0, Buffer.from([0, 0, 0, 1])),
    dataFrame(1, Buffer.from('hello'), false),
    dataFrame(1, Buffer.alloc(0), true),
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 5 }), (cuts) => {
      const reader = new FrameReader();
      const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const frames = edges.slice(1).flatMap((edge, index) => reader.push(bytes.subarray(edges[index], edge)));
      const data = frames.flatMap((frame) => (frame.kind === 'data' ? [frame.data] : []));
      assert.equal(Buffer.concat(data).toString(), 'hello');
      const last = frames.at(-1);
      assert.ok(last?.kind === 'data' && last.isLast);
    }),
  );
});

test('an oversized control frame and a foreign version are refused', () => {
  const big = Buffer.from('8003000100000000', 'hex');
  big.writeUIntBE(maxControlBytes + 1, 5, 3);
  assert.throws(() => new FrameReader().push(big), /limit/);
  assert.throws(() => new FrameReader().push(Buffer.from('8002000100000000', 'hex')), /version 2/);
});

function pair(onStream: (stream: SpdyStream) => void): { client: SpdySession; server: SpdySession } {
  const [left, right] = duplexPair();
  return {
    client: new SpdySession({ role: 'client', transport: left, onStream: () => undefined }),
    server: new SpdySession({ role: 'server', transport: right, onStream }),
  };
}

test('a stream carries both directions and ends each apart', async () => {
  const { client, server } = pair((stream) => {
    assert.equal(stream.headers.get('streamtype'), 'data');
    let length = 0;
    stream.on('data', (chunk: Buffer) => (length += chunk.length));
    stream.on('end', () => stream.end(`you said ${length}`));
  });
  const stream = client.open(new Map([['streamtype', 'data']]));
  stream.end('x'.repeat(3_000_000));
  assert.equal(await text(stream), 'you said 3000000');
  client.destroy();
  server.destroy();
});

test('a destroyed stream is reset at the other side, others go on', async () => {
  const seen: SpdyStream[] = [];
  const { client, server } = pair((stream) => void seen.push(stream));
  const first = client.open(new Map([['n', '1']]));
  const second = client.open(new Map([['n', '2']]));
  while (seen.length < 2) await new Promise(setImmediate);
  seen[0]?.destroy();
  await assert.rejects(once(first, 'close'), /reset the stream/);
  second.end('still');
  assert.equal(await text(seen[1] as SpdyStream), 'still');
  client.destroy();
  server.destroy();
});

test('a broken frame ends the connection and every stream', async () => {
  const [left, right] = duplexPair();
  const ended = Promise.withResolvers<Error | undefined>();
  const server = new SpdySession({
    role: 'server',
    transport: right,
    onStream: () => undefined,
    onClose: ended.resolve,
  });
  left.on('error', () => undefined);
  left.write(Buffer.from('8003000100000002ffff', 'hex'));
  assert.match(String(await ended.promise), /at least 10/);
  server.destroy();
  left.destroy();
});
