// What a peer with a valid certificate may send that HTTP/2 forbids, or far more of what it allows than anybody needs
// (performance-and-reliability 3.5 and 4.3). In: nothing. Out: the attacks as bytes, portion by portion. Used by the test of
// hostile peers and by `bench attacks`.
import { connectFields } from '../framed/fields.ts';
import { HpackEncoder } from '../framed/hpack/encoder.ts';
import { ErrorCode, Flag, FrameType, PREFACE, Setting, writeFrameHeader } from '../framed/protocol.ts';

/** What opens every attack: the preface and empty settings. */
export const attackOpening = (): Buffer => Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0)]);

function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, id);
  payload.copy(bytes, 9);
  return bytes;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return frame(FrameType.SETTINGS, 0, 0, bytes);
}

const connectBlock = (): Buffer => Buffer.from(new HpackEncoder().encode(connectFields('10.0.0.1:80', undefined)));
const openStream = (id: number): Buffer => frame(FrameType.HEADERS, Flag.END_HEADERS, id, connectBlock());
const reset = (id: number): Buffer => frame(FrameType.RST_STREAM, 0, id, word(ErrorCode.CANCEL));
const repeated = (count: number, bytes: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => bytes(index)));
/** A literal field with a new name, never indexed. */
const field = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

/** One way to hurt. */
export interface Attack {
  readonly name: string;
  /** The nth portion to send, after preface and settings; undefined when there is no more. */
  readonly portion: (index: number) => Buffer | undefined;
  /** `ends`: the connection must end before the attacker sent 32 MB. `bounded`: it may live on, and costs little. */
  readonly outcome: 'ends' | 'bounded';
}

const forEver = (bytes: Buffer) => (): Buffer => bytes;
const once1 =
  (bytes: () => Buffer) =>
  (index: number): Buffer | undefined =>
    index === 0 ? bytes() : undefined;

/** The nth portion of `streams` streams that are opened and reset in one breath. */
export const rapidReset = (index: number, streams: number): Buffer =>
  repeated(streams, (each) => {
    const id = 2 * (index * streams + each) + 1;
    return Buffer.concat([openStream(id), reset(id)]);
  });

/** All of them. */
export const attacks: readonly Attack[] = [
  {
    name: 'a CONTINUATION flood',
    outcome: 'ends',
    portion: (index) =>
      index === 0
        ? frame(FrameType.HEADERS, 0, 1, connectBlock())
        : repeated(20, () => frame(FrameType.CONTINUATION, 0, 1, field('x-more', 'x'.repeat(100)))),
  },
  {
    name: 'a flood of empty CONTINUATIONs',
    outcome: 'ends',
    portion: (index) =>
      index === 0
        ? frame(FrameType.HEADERS, 0, 1, connectBlock())
        : repeated(1000, () => frame(FrameType.CONTINUATION, 0, 1)),
  },
  {
    name: 'a PING flood',
    outcome: 'ends',
    portion: forEver(repeated(1000, () => frame(FrameType.PING, 0, 0, Buffer.alloc(8)))),
  },
  {
    name: 'a SETTINGS flood',
    outcome: 'ends',
    portion: forEver(repeated(1000, () => frame(FrameType.SETTINGS, 0, 0))),
  },
  {
    name: 'rapid reset',
    outcome: 'ends',
    portion: (index) => rapidReset(index, 500),
  },
  {
    name: 'streams that are made to be reset by us (a window update of 0)',
    outcome: 'ends',
    portion: (index) =>
      repeated(500, (each) => {
        const id = 2 * (index * 500 + each) + 1;
        return Buffer.concat([openStream(id), frame(FrameType.WINDOW_UPDATE, 0, id, word(0))]);
      }),
  },
  {
    name: 'a window that overflows',
    outcome: 'ends',
    portion: once1(() => repeated(2, () => frame(FrameType.WINDOW_UPDATE, 0, 0, word(0x7fff_ffff)))),
  },
  {
    name: 'a window update of 0 for the connection',
    outcome: 'ends',
    portion: once1(() => frame(FrameType.WINDOW_UPDATE, 0, 0, word(0))),
  },
  {
    name: 'more streams than are allowed, all with a window of 0',
    outcome: 'bounded',
    portion: (index) =>
      index === 0
        ? Buffer.concat([setting(Setting.INITIAL_WINDOW_SIZE, 0), repeated(1000, (each) => openStream(2 * each + 1))])
        : undefined,
  },
  {
    name: 'a header list that unpacks to a thousand times its size',
    outcome: 'ends',
    portion: (index) => {
      const large = Buffer.concat([
        Buffer.from([0x40, 1]),
        Buffer.from('x'),
        Buffer.from([0x7f, 0x81, 0x1e]),
        Buffer.alloc(4000, 97),
      ]);
      const id = 2 * index + 1;
      const block =
        index === 0
          ? Buffer.concat([connectBlock(), large])
          : Buffer.concat([connectBlock(), Buffer.alloc(16_000, 0xbe)]);
      return frame(FrameType.HEADERS, Flag.END_HEADERS, id, block);
    },
  },
  {
    name: 'HPACK that is not HPACK',
    outcome: 'ends',
    portion: once1(() =>
      frame(FrameType.HEADERS, Flag.END_HEADERS, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    ),
  },
  {
    name: 'a flood of empty DATA',
    outcome: 'ends',
    portion: (index) => (index === 0 ? openStream(1) : repeated(1000, () => frame(FrameType.DATA, 0, 1))),
  },
  {
    name: 'a frame beyond the allowed size',
    outcome: 'ends',
    portion: (index) =>
      index === 0
        ? Buffer.concat([openStream(1), Buffer.from([0x7f, 0xff, 0xff, 0, 0, 0, 0, 0, 1])])
        : Buffer.alloc(65_536),
  },
  {
    name: 'DATA on a stream that nobody opened',
    outcome: 'ends',
    portion: once1(() => frame(FrameType.DATA, 0, 7, Buffer.alloc(10))),
  },
  { name: 'a stream with an even number', outcome: 'ends', portion: once1(() => openStream(2)) },
  { name: 'DATA on stream 0', outcome: 'ends', portion: once1(() => frame(FrameType.DATA, 0, 0, Buffer.alloc(10))) },
  {
    name: 'PUSH_PROMISE',
    outcome: 'ends',
    portion: once1(() => frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, 1, word(2))),
  },
  { name: 'bytes that are no frames', outcome: 'ends', portion: (index) => Buffer.alloc(4096, 0xa5 ^ index) },
];
