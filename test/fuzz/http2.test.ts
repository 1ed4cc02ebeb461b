// Fuzzers of our HTTP/2: frames that follow the grammar or nearly do, header blocks, and sessions cut at every byte. What
// must hold: no exception, no stream beyond the limit, every frame of ours whole, every block back in its pool.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecureEndpoint } from '@ambit/net';
import { Region, smallBlocks } from '@ambit/net';
import { memoryPair } from '@ambit/net/testing';
import { BYTE_ENGINES } from '@ambit/hbone';
import { Http2Connection } from '@ambit/hbone/framed/connection';
import { connectFields, parseRequest, parseResponse } from '@ambit/hbone/framed/fields';
import { HpackDecoder } from '@ambit/hbone/framed/hpack/decoder';
import { HpackEncoder } from '@ambit/hbone/framed/hpack/encoder';
import { Http2ProtocolError, PREFACE, writeFrameHeader } from '@ambit/hbone/framed/protocol';
import type { ConnectionHandler, ConnectionLimits, StreamHandler } from '@ambit/hbone/framed/stream';
import { DEFAULT_LIMITS } from '@ambit/hbone';
import { createAllowance } from '@ambit/hbone/peer-allowances';
import { createResetLimiter } from '@ambit/hbone/reset-limiter';
import { silentLogger } from '@ambit/runtime/log';
import { type Random, randomFrom, runFuzzer } from './fuzz-run.ts';

const LIMITS: Omit<ConnectionLimits, 'brokenStreams'> = {
  streamWindowBytes: 100_000,
  connectionWindowBytes: 200_000,
  maxFrameBytes: 65_536,
  maxHeaderListBytes: 4096,
  maxConcurrentStreams: 5,
};

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, id);
  payload.copy(bytes, 9);
  return bytes;
}

/** Frames of the right shape most of the time, with some that are not. */
function frames(random: Random): Buffer {
  const encoder = new HpackEncoder();
  const parts: Buffer[] = [frame(4, 0, 0, random.oneIn(8) ? random.bytes(6 * random.below(4)) : Buffer.alloc(0))];
  let id = 1;
  for (let count = random.below(40); count >= 0; count -= 1) parts.push(oneFrame(random, encoder, () => (id += 2)));
  const joined = Buffer.concat(parts);
  if (random.oneIn(3))
    for (let flips = random.below(8); flips >= 0; flips -= 1) joined[random.below(joined.length)] = random.below(256);
  return random.oneIn(4) ? joined.subarray(0, random.below(joined.length + 1)) : joined;
}

function oneFrame(random: Random, encoder: HpackEncoder, nextId: () => number): Buffer {
  const known = 1 + 2 * random.below(6);
  switch (random.below(12)) {
    case 0:
    case 1: {
      const block = Buffer.from(
        encoder.encode(connectFields('10.0.0.1:80', { baggage: 'x'.repeat(random.below(50)) })),
      );
      return frame(1, random.pick([4, 4, 5, 0, 0x24, 0x0c]), random.oneIn(3) ? known : nextId(), block);
    }
    case 2:
      return frame(9, random.pick([0, 4]), known, random.bytes(random.below(20)));
    case 3:
    case 4:
      return frame(0, random.pick([0, 0, 1, 8, 9]), known, random.bytes(random.below(300)));
    case 5:
      return frame(
        8,
        0,
        random.pick([0, known]),
        number32(random.pick([0, 1, 1000, 2 ** 31 - 1, random.below(2 ** 31)])),
      );
    case 6:
      return frame(3, 0, known, number32(random.below(14)));
    case 7:
      return frame(4, random.pick([0, 0, 1]), 0, settings(random));
    case 8:
      return frame(6, random.pick([0, 1]), 0, random.bytes(random.pick([8, 8, 8, 7])));
    case 9:
      return frame(
        7,
        0,
        0,
        Buffer.concat([number32(random.below(20)), number32(random.below(14)), random.bytes(random.below(9))]),
      );
    case 10:
      return frame(2, 0, known, random.bytes(random.pick([5, 5, 4])));
    default:
      return frame(random.below(256), random.below(256), random.below(20), random.bytes(random.below(40)));
  }
}

function settings(random: Random): Buffer {
  const entry = (): Buffer => {
    const bytes = Buffer.alloc(6);
    bytes.writeUInt16BE(random.below(8));
    bytes.writeUInt32BE(random.pick([0, 1, 100, 16_384, 65_535, 2 ** 31 - 1, 2 ** 32 - 1]), 2);
    return bytes;
  };
  return Buffer.concat(Array.from({ length: random.below(4) }, entry));
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A connection whose owner answers, sends, resets and reads as the input's own bytes say. */
function feed(isServer: boolean, input: Buffer): void {
  const lentBefore = smallBlocks.lent;
  const random = randomFrom(input.length * 31 + (input[0] ?? 0));
  const handler = ownerOf(() => connection, random);
  let now = 0;
  const limits: ConnectionLimits = { ...LIMITS, brokenStreams: createResetLimiter(50, 1) };
  const connection: Http2Connection = new Http2Connection(isServer, limits, handler, () => (now += 1));
  if (isServer) connection.receive(PREFACE, 0, PREFACE.length);
  else
    for (let count = 0; count < 3; count += 1)
      connection.open(
        connectFields('a:1', {}),
        streamOwner(() => connection, random),
      );
  for (let at = 0; at < input.length;) {
    const end = Math.min(input.length, at + 1 + random.below(200));
    at = connection.receive(input, at, end);
    assert.ok(connection.streamCount <= LIMITS.maxConcurrentStreams + (isServer ? 0 : 3), 'streams beyond the limit');
    if (random.oneIn(4)) for (const region of connection.output.take()) region.release();
  }
  const wasOpen = connection.failure === undefined;
  connection.loseStreams(() => {});
  assert.equal(connection.streamCount, 0);
  const regions = connection.output.take();
  wholeFrames(Buffer.concat(regions.map((region) => Buffer.from(region.bytes))));
  for (const region of regions) region.release();
  assert.ok(wasOpen || connection.failure instanceof Http2ProtocolError);
  assert.equal(smallBlocks.lent, lentBefore, 'a block is missing');
}

function ownerOf(connection: () => Http2Connection, random: Random): ConnectionHandler {
  return {
    onStream: (stream) => {
      stream.hasHead = true;
      const owner = streamOwner(connection, random);
      if (random.oneIn(3)) connection().respond(stream, [':status', '200'], random.oneIn(4));
      if (random.oneIn(6)) connection().reset(stream, 8);
      return owner;
    },
    onGoaway() {},
    onPong() {},
    onSendable() {},
    onStreamGone() {},
  };
}

function streamOwner(connection: () => Http2Connection, random: Random): StreamHandler {
  return {
    onFields(fields) {
      if (fields === undefined) return;
      parseRequest(fields);
      parseResponse(fields);
    },
    onData() {
      if (random.oneIn(10)) connection().ping(random.below(1000));
    },
    onEnd() {},
    onReset() {},
    onSendable() {},
  };
}

// What we send must be frames from the first byte to the last (the preface and what was taken before left aside).
function wholeFrames(bytes: Buffer): void {
  let at = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0;
  while (at < bytes.length) {
    assert.ok(at + 9 <= bytes.length, 'a frame header is cut');
    at += 9 + bytes.readUIntBE(at, 3);
  }
  assert.equal(at, bytes.length, 'a frame is cut');
}

test('frame grammar, server side', () => {
  const executions = runFuzzer({ corpus: 'http2-server', generate: frames, run: (input) => feed(true, input) });
  assert.ok(executions > 100, `${executions} executions`);
});

test('frame grammar, client side', () => {
  const executions = runFuzzer({ corpus: 'http2-client', generate: frames, run: (input) => feed(false, input) });
  assert.ok(executions > 100, `${executions} executions`);
});

test('header blocks', () => {
  const executions = runFuzzer({
    corpus: 'hpack',
    generate(random) {
      const encoder = new HpackEncoder();
      const fields = Array.from({ length: 2 * random.below(8) }, () =>
        random.bytes(random.below(30)).toString('latin1'),
      );
      const block = Buffer.from(encoder.encode(fields));
      if (block.length > 0 && random.oneIn(2)) block[random.below(block.length)] = random.below(256);
      return random.oneIn(5) ? random.bytes(random.below(200)) : block;
    },
    run(input) {
      const decoder = new HpackDecoder(512);
      for (let round = 0; round < 3; round += 1) {
        try {
          const { fields } = decoder.decode(input, 0, input.length, 2048);
          const bytes = fields.reduce((sum, text) => sum + text.length, 0);
          assert.ok(fields.length % 2 === 0 && bytes <= 2048, 'a list beyond its limit');
          const again = new HpackEncoder().encode(fields);
          assert.deepEqual(new HpackDecoder(4096).decode(again, 0, again.length, 1e6).fields, fields);
        } catch (error) {
          if (!(error instanceof Http2ProtocolError)) throw error;
        }
        assert.ok(decoder.tableBytes <= 512, 'a table beyond its limit');
      }
    },
  });
  assert.ok(executions > 100, `${executions} executions`);
});

test('a session that is cut at any byte tells its owner once and gives everything back', async () => {
  const dialogue = Buffer.concat([PREFACE, frames(randomFrom(1)), frames(randomFrom(2)).subarray(9)]);
  const lentBefore = smallBlocks.lent;
  for (let cut = 0; cut <= dialogue.length; cut += 1) await cutAt(dialogue, cut);
  assert.equal(smallBlocks.lent, lentBefore, 'a block is missing');
});

async function cutAt(dialogue: Buffer, cut: number): Promise<void> {
  const [peer, ours] = memoryPair();
  const secure = Object.assign(ours, {
    peer: 'peer',
    alpn: 'h2',
    peerDer: () => [],
  }) as unknown as SecureEndpoint<string>;
  let closed = 0;
  const ended = Promise.withResolvers<void>();
  const session = BYTE_ENGINES.framed.sessions.server(secure, {
    limits: { ...DEFAULT_LIMITS, pingIntervalMs: 0 },
    allowance: createAllowance(DEFAULT_LIMITS),
    log: silentLogger,
    onTunnel(request) {
      if (request.headers['baggage']?.length === 7) request.reject(401);
      else request.accept().onReadable = () => {};
    },
    onMalformed() {},
    onLimited() {},
    onClosed() {
      closed += 1;
      ended.resolve();
    },
  });
  if (cut > 0) peer.write([Region.of(Buffer.from(dialogue.subarray(0, cut)))]);
  await new Promise((resolve) => setImmediate(resolve));
  peer.destroy(new Error('cut'));
  await ended.promise;
  assert.deepEqual([closed, session.activeStreams], [1, 0], `cut at ${cut}`);
  for (let region = peer.read(); typeof region !== 'symbol'; region = peer.read()) region.release();
}
