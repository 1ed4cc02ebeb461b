// The state machine as dialogues: bytes in, events and frames out; two of them joined in memory; its limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Region } from '@ambit/net';
import fc from 'fast-check';
import { createResetLimiter } from '../reset-limiter.ts';
import { Http2Connection } from './connection.ts';
import type { ConnectionHandler, ConnectionLimits, Http2Stream, StreamHandler } from './stream.ts';
import { connectFields, responseFields } from './fields.ts';
import { calm, ErrorCode, Flag, FrameType, PREFACE, writeFrameHeader } from './protocol.ts';

const LIMITS: Omit<ConnectionLimits, 'brokenStreams'> = {
  streamWindowBytes: 1 << 20,
  connectionWindowBytes: 1 << 22,
  maxFrameBytes: 1 << 20,
  maxHeaderListBytes: 16_384,
  maxConcurrentStreams: 10,
};

function frame(type: number, flags: number, id: number, payload: string | Buffer = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload.replaceAll(' ', ''), 'hex') : payload;
  const bytes = Buffer.alloc(9 + body.length);
  writeFrameHeader(bytes, 0, body.length, type, flags, id);
  body.copy(bytes, 9);
  return bytes;
}

const SETTINGS = frame(FrameType.SETTINGS, 0, 0);
/** `:method: CONNECT`, `:authority: a:1` without compression tricks. */
const CONNECT = Buffer.from('0207434f4e4e454354' + '0103613a31', 'hex');

interface Side {
  readonly connection: Http2Connection;
  readonly events: string[];
  readonly streams: Http2Stream[];
  /** Frames sent since the last look: type, flags, id, payload length. */
  sent(): string[];
  bytes(): Buffer;
}

function side(isServer: boolean, limits: Partial<ConnectionLimits> = {}): Side {
  const events: string[] = [];
  const streams: Http2Stream[] = [];
  let now = 0;
  const handlerOf = (id: () => number) => ({
    onFields: (fields: readonly string[] | undefined, isEnd: boolean) =>
      void events.push(`fields ${id()} ${fields?.join(' ') ?? 'too long'}${isEnd ? ' end' : ''}`),
    onData: (_offset: number, length: number) => void events.push(`data ${id()} ${length}`),
    onEnd: () => void events.push(`end ${id()}`),
    onReset: (code: number, byPeer: boolean) => void events.push(`reset ${id()} ${code} ${byPeer ? 'peer' : 'us'}`),
    onSendable: () => {},
  });
  const handler: ConnectionHandler = {
    onStream: (stream) => {
      streams.push(stream);
      stream.hasHead = true;
      return handlerOf(() => stream.id);
    },
    onGoaway: (last, code) => void events.push(`goaway ${last} ${code}`),
    onPong: (payload) => void events.push(`pong ${payload}`),
    onSendable: () => {},
    onStreamGone: () => {},
  };
  const brokenStreams = createResetLimiter(20, 1);
  const connection = new Http2Connection(isServer, { ...LIMITS, brokenStreams, ...limits }, handler, () => (now += 1));
  const bytes = (): Buffer => {
    const regions = connection.output.take();
    const joined = Buffer.concat(regions.map((region) => Buffer.from(region.bytes)));
    for (const region of regions) region.release();
    return joined;
  };
  return { connection, events, streams, bytes, sent: () => framesOf(bytes()) };
}

function framesOf(bytes: Buffer): string[] {
  const names = Object.keys(FrameType);
  const found: string[] = [];
  let at = bytes.subarray(0, 3).toString() === 'PRI' ? PREFACE.length : 0;
  while (at < bytes.length) {
    const length = bytes.readUIntBE(at, 3);
    const type = names[bytes[at + 3] as number];
    const code = type === 'RST_STREAM' ? ` code ${bytes.readUInt32BE(at + 9)}` : '';
    const goaway = type === 'GOAWAY' ? ` code ${bytes.readUInt32BE(at + 13)}` : '';
    found.push(`${type} ${bytes[at + 4]} ${bytes.readUInt32BE(at + 5)}${code}${goaway}`);
    at += 9 + length;
  }
  return found;
}

function server(limits: Partial<ConnectionLimits> = {}): Side & { feed(...frames: Buffer[]): void } {
  const own = side(true, limits);
  own.connection.receive(PREFACE, 0, PREFACE.length);
  own.connection.receive(SETTINGS, 0, SETTINGS.length);
  own.bytes();
  return {
    ...own,
    feed(...frames) {
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length;) at = own.connection.receive(bytes, at, bytes.length);
    },
  };
}

test('a client greets with preface, settings and its connection window', () => {
  const client = side(false);
  const bytes = client.bytes();
  assert.ok(bytes.subarray(0, PREFACE.length).equals(PREFACE));
  assert.deepEqual(framesOf(bytes), ['SETTINGS 0 0', 'WINDOW_UPDATE 0 0']);
});

test('a request, its data and its end are events; the answer is frames', () => {
  const s = server();
  const padded = Buffer.concat([Buffer.from([3]), Buffer.from('hello'), Buffer.alloc(3)]);
  s.feed(
    frame(FrameType.HEADERS, Flag.END_HEADERS, 1, CONNECT),
    frame(FrameType.DATA, Flag.PADDED, 1, padded),
    frame(FrameType.DATA, Flag.END_STREAM, 1, ''),
  );
  assert.deepEqual(s.events, ['fields 1 :method CONNECT :authority a:1', 'data 1 5', 'end 1']);
  s.connection.respond(s.streams[0] as Http2Stream, responseFields(200, undefined), false);
  s.connection.data(s.streams[0] as Http2Stream, Region.of('x'), true);
  assert.deepEqual(s.sent(), ['HEADERS 4 1', 'DATA 1 1']);
  assert.equal(s.connection.streamCount, 0);
});

test('two connections joined in memory carry the same whatever the bytes are cut into', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 50 }), (cuts) => {
      const client = side(false);
      const s = side(true);
      const opened = client.connection.open(connectFields('10.0.0.1:80', { baggage: 'a=b' }), {
        onFields: (fields) => void client.events.push(`answer ${fields?.join(' ')}`),
        onData: (_at, length) => void client.events.push(`data ${length}`),
        onEnd: () => void client.events.push('end'),
        onReset: () => void client.events.push('reset'),
        onSendable: () => {},
      });
      client.connection.data(opened, Region.of('x'.repeat(300)), false);
      client.connection.end(opened);
      pour(client.bytes(), s, cuts);
      const [stream] = s.streams;
      assert.ok(stream !== undefined);
      s.connection.respond(stream, responseFields(200, {}), false);
      s.connection.data(stream, Region.of('thanks'), true);
      pour(s.bytes(), client, cuts);
      const received = s.events
        .filter((event) => event.startsWith('data'))
        .reduce((sum, e) => sum + Number(e.split(' ')[2]), 0);
      assert.equal(received, 300);
      assert.equal(s.events[0], 'fields 1 :method CONNECT :authority 10.0.0.1:80 baggage a=b');
      assert.equal(s.events.at(-1), 'end 1');
      assert.equal(client.events[0], 'answer :status 200');
      assert.equal(client.events.at(-1), 'end');
      assert.deepEqual([client.connection.failure, s.connection.failure], [undefined, undefined]);
    }),
    { numRuns: 100 },
  );
});

function pour(bytes: Buffer, to: Side, cuts: readonly number[]): void {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const end = Math.min(bytes.length, at + (cuts[turn % cuts.length] as number));
    at = to.connection.receive(bytes, at, end);
  }
}

test('a payload has its frame header in front as headroom only where both lie in the same memory', () => {
  const rooms: number[] = [];
  const data = frame(FrameType.DATA, 0, 1, Buffer.alloc(100));
  for (const cut of [0, 5, 9, 50]) {
    const s = server();
    s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT));
    const stream = s.streams[0] as Http2Stream;
    stream.handler = { ...(stream.handler as StreamHandler), onData: (_at, _length, headroom) => rooms.push(headroom) };
    if (cut > 0) s.connection.receive(Buffer.from(data.subarray(0, cut)), 0, cut);
    s.connection.receive(Buffer.from(data.subarray(cut)), 0, data.length - cut);
  }
  assert.deepEqual(rooms, [9, 0, 0, 9, 0]);
});

test('credit of the connection comes back for data that nobody reads', () => {
  const s = server();
  s.feed(frame(FrameType.HEADERS, Flag.END_HEADERS, 1, CONNECT));
  s.connection.reset(s.streams[0] as Http2Stream, ErrorCode.CANCEL);
  s.bytes();
  for (let round = 0; round < 20; round += 1) s.feed(frame(FrameType.DATA, 0, 1, Buffer.alloc(500_000)));
  assert.equal(s.connection.failure, undefined, 'ten megabytes went through a window of four');
  assert.ok(s.sent().every((text) => text === 'WINDOW_UPDATE 0 0'));
});

const violations: readonly (readonly [what: string, code: number, frames: readonly Buffer[]])[] = [
  ['DATA on stream 0', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.DATA, 0, 0, '00')]],
  ['DATA on an idle stream', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.DATA, 0, 1, '00')]],
  ['HEADERS on an even stream', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.HEADERS, 4, 2, CONNECT)]],
  ['PUSH_PROMISE', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.PUSH_PROMISE, 4, 1, '00000002')]],
  ['CONTINUATION alone', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.CONTINUATION, 4, 1, CONNECT)]],
  [
    'a frame between HEADERS and CONTINUATION',
    ErrorCode.PROTOCOL_ERROR,
    [frame(1, 0, 1, CONNECT), frame(6, 0, 0, '0'.repeat(16))],
  ],
  ['PING of 7 bytes', ErrorCode.FRAME_SIZE_ERROR, [frame(FrameType.PING, 0, 0, '0'.repeat(14))]],
  ['PING on a stream', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.PING, 0, 1, '0'.repeat(16))]],
  ['SETTINGS of 5 bytes', ErrorCode.FRAME_SIZE_ERROR, [frame(FrameType.SETTINGS, 0, 0, '0'.repeat(10))]],
  ['SETTINGS ACK with payload', ErrorCode.FRAME_SIZE_ERROR, [frame(FrameType.SETTINGS, 1, 0, '0'.repeat(12))]],
  ['INITIAL_WINDOW_SIZE over 2^31', ErrorCode.FLOW_CONTROL_ERROR, [frame(FrameType.SETTINGS, 0, 0, '0004 80000000')]],
  ['MAX_FRAME_SIZE of 100', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.SETTINGS, 0, 0, '0005 00000064')]],
  [
    'WINDOW_UPDATE of 0 on the connection',
    ErrorCode.PROTOCOL_ERROR,
    [frame(FrameType.WINDOW_UPDATE, 0, 0, '00000000')],
  ],
  [
    'overflow of the connection window',
    ErrorCode.FLOW_CONTROL_ERROR,
    [frame(FrameType.WINDOW_UPDATE, 0, 0, '7fffffff')],
  ],
  ['RST_STREAM on an idle stream', ErrorCode.PROTOCOL_ERROR, [frame(FrameType.RST_STREAM, 0, 7, '00000000')]],
  ['a frame over the limit', ErrorCode.FRAME_SIZE_ERROR, [frame(FrameType.DATA, 0, 1, Buffer.alloc((1 << 20) + 1))]],
  [
    'padding longer than the frame',
    ErrorCode.PROTOCOL_ERROR,
    [frame(1, 4, 1, CONNECT), frame(0, Flag.PADDED, 1, '05 00')],
  ],
  ['a broken header block', ErrorCode.COMPRESSION_ERROR, [frame(FrameType.HEADERS, 4, 1, 'be')]],
  ['a stream id that goes back', ErrorCode.PROTOCOL_ERROR, [frame(1, 4, 5, CONNECT), frame(1, 4, 3, CONNECT)]],
  [
    'a header block over its limit',
    ErrorCode.ENHANCE_YOUR_CALM,
    [frame(FrameType.HEADERS, 0, 1, Buffer.alloc(20_000))],
  ],
  ['a flood of CONTINUATION', ErrorCode.ENHANCE_YOUR_CALM, [frame(1, 0, 1, CONNECT), ...repeat(100, frame(9, 0, 1))]],
  ['a flood of SETTINGS', ErrorCode.ENHANCE_YOUR_CALM, repeat(2000, SETTINGS)],
  ['a flood of PING', ErrorCode.ENHANCE_YOUR_CALM, repeat(2000, frame(FrameType.PING, 0, 0, '0'.repeat(16)))],
  ['a flood of PRIORITY', ErrorCode.ENHANCE_YOUR_CALM, repeat(2000, frame(FrameType.PRIORITY, 0, 1, '0'.repeat(10)))],
  ['a flood of unknown frames', ErrorCode.ENHANCE_YOUR_CALM, repeat(2000, frame(77, 0, 1, '0011'))],
  ['a flood of empty DATA', ErrorCode.ENHANCE_YOUR_CALM, [frame(1, 4, 1, CONNECT), ...repeat(2000, frame(0, 0, 1))]],
  [
    'a flood of WINDOW_UPDATE',
    ErrorCode.ENHANCE_YOUR_CALM,
    [frame(1, 4, 1, CONNECT), ...repeat(12_000, frame(8, 0, 1, '00000001'))],
  ],
  [
    'more streams than allowed, again and again',
    ErrorCode.ENHANCE_YOUR_CALM,
    Array.from({ length: 60 }, (_, n) => frame(1, 4, 2 * n + 1, CONNECT)),
  ],
];

function repeat(times: number, one: Buffer): Buffer[] {
  return Array.from({ length: times }, () => one);
}

for (const [what, code, frames] of violations) {
  test(`${what} ends the connection with code ${code}`, () => {
    const s = server();
    s.feed(...frames);
    assert.equal(s.connection.failure?.code, code, `${s.connection.failure?.message}`);
    assert.equal(s.sent().at(-1), `GOAWAY 0 0 code ${code}`);
  });
}

test('what is wrong on one stream resets that stream only', () => {
  const table: readonly (readonly [what: string, code: number, frame: Buffer])[] = [
    ['WINDOW_UPDATE of 0', ErrorCode.PROTOCOL_ERROR, frame(FrameType.WINDOW_UPDATE, 0, 1, '00000000')],
    ['window overflow', ErrorCode.FLOW_CONTROL_ERROR, frame(FrameType.WINDOW_UPDATE, 0, 1, '7fffffff')],
    ['PRIORITY of 4 bytes', ErrorCode.FRAME_SIZE_ERROR, frame(FrameType.PRIORITY, 0, 1, '00000000')],
    ['dependency on itself', ErrorCode.PROTOCOL_ERROR, frame(FrameType.PRIORITY, 0, 1, '00000001 00')],
    ['trailers without an end', ErrorCode.PROTOCOL_ERROR, frame(FrameType.HEADERS, 4, 1, CONNECT)],
  ];
  for (const [what, code, bad] of table) {
    const s = server();
    s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT), bad);
    assert.equal(s.events.at(-1), `reset 1 ${code} us`, what);
    assert.ok(s.sent().includes(`RST_STREAM 0 1 code ${code}`), what);
    s.feed(frame(FrameType.HEADERS, 4, 3, CONNECT));
    assert.equal(s.connection.failure, undefined, what);
    assert.equal(s.connection.streamCount, 1, what);
  }
});

test('data on a stream that the peer ended is STREAM_CLOSED; on one that we reset it is ignored', () => {
  const s = server();
  s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT), frame(FrameType.RST_STREAM, 0, 1, '00000008'));
  s.feed(frame(FrameType.DATA, 0, 1, '00'));
  assert.ok(s.sent().includes('RST_STREAM 0 1 code 5'));
  s.feed(frame(FrameType.HEADERS, 4, 3, CONNECT));
  s.connection.reset(s.streams[1] as Http2Stream, ErrorCode.CANCEL);
  s.bytes();
  s.feed(frame(FrameType.DATA, 0, 3, '00'), frame(FrameType.HEADERS, 4, 3, CONNECT));
  assert.deepEqual(s.sent(), []);
  assert.equal(s.connection.failure, undefined);
});

test('a peer that opens many streams at once gets a part of them per turn', () => {
  const s = server({ maxConcurrentStreams: 1000 });
  const bytes = Buffer.concat(Array.from({ length: 100 }, (_, n) => frame(1, 4, 2 * n + 1, CONNECT)));
  const turns: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const before = s.streams.length;
    at = s.connection.receive(bytes, at, bytes.length);
    turns.push(s.streams.length - before);
  }
  assert.deepEqual(turns, [...Array.from({ length: 12 }, () => 8), 4]);
});

test('what follows the frame that ended a connection is not looked at', () => {
  const s = server();
  const reset = frame(FrameType.RST_STREAM, 0, 1, '00000008');
  const second = frame(FrameType.HEADERS, 4, 3, CONNECT);
  const bytes = Buffer.concat([reset, second]);
  s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT));
  const [stream] = s.streams;
  assert.ok(stream?.handler !== undefined);
  stream.handler = { ...stream.handler, onReset: () => s.connection.fail(calm('enough')) };
  assert.ok(s.connection.receive(bytes, 0, bytes.length) <= bytes.length - second.length);
  assert.equal(s.streams.length, 1);
  assert.deepEqual(s.sent(), ['GOAWAY 0 0 code 11']);
});

test('a peer that sends more than its window is cut off', () => {
  const s = server();
  s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT));
  for (let sent = 0; sent <= LIMITS.streamWindowBytes; sent += 500_000) s.feed(frame(0, 0, 1, Buffer.alloc(500_000)));
  assert.equal(s.events.at(-1), `reset 1 ${ErrorCode.FLOW_CONTROL_ERROR} us`);
  assert.equal(s.connection.failure, undefined);
});

test('windows limit what may be sent, and a smaller initial window makes it negative', () => {
  const s = server();
  s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT));
  const stream = s.streams[0] as Http2Stream;
  assert.equal(s.connection.sendable(stream), 16_384);
  s.connection.data(stream, Region.of(Buffer.alloc(16_384)), false);
  s.feed(frame(FrameType.SETTINGS, 0, 0, '0004 00000064'));
  assert.equal(s.connection.sendable(stream), 0);
  s.feed(frame(FrameType.WINDOW_UPDATE, 0, 1, '00010000'));
  assert.equal(s.connection.sendable(stream), 16_384);
});

test('streams above the last one of our GOAWAY are not looked at', () => {
  const s = server();
  s.feed(frame(FrameType.HEADERS, 4, 1, CONNECT));
  s.connection.goaway(ErrorCode.NO_ERROR, 1);
  s.feed(frame(FrameType.HEADERS, 4, 3, CONNECT), frame(FrameType.DATA, 0, 3, '00'));
  assert.equal(s.streams.length, 1);
  assert.equal(s.connection.failure, undefined);
});
