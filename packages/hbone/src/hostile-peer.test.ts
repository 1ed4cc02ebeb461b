// A peer with a valid certificate that sends what HTTP/2 forbids, or far more of what it allows than anybody needs, against
// every engine over real TLS (performance-and-reliability 3.5 and 4.3). What must hold: its connection ends or it gets nothing
// for its trouble, memory does not follow its bytes, and a tunnel of somebody else goes on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, suite, test } from 'node:test';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { testCa } from '@ambit/identity/testing';
import { AGAIN, EOF, type Endpoint, fullBlocks, isSecureEngineUsable, smallBlocks } from '@ambit/net';
import { readSome, send } from '@ambit/net/testing';
import { BYTE_ENGINES } from './byte-engine.ts';
import { connectFields } from './framed/fields.ts';
import { HpackEncoder } from './framed/hpack/encoder.ts';
import { ErrorCode, Flag, FrameType, PREFACE, Setting, writeFrameHeader } from './framed/protocol.ts';
import { type BenchCertificate, type TunnelBench, tunnelBench } from './testing/tunnel-bench.ts';
import type { TunnelRequest } from './tunnel.ts';

const ca = testCa();
let client: BenchCertificate;
let server: BenchCertificate;
before(async () => {
  client = await ca.issue(ca.identity('a', 'client'));
  server = await ca.issue(ca.identity('b', 'server'));
});

/** What an attacker may send before it is cut off, and what the process may grow by meanwhile. */
const MAX_SENT_BYTES = 32 * 1024 * 1024;
const MAX_GROWTH_BYTES = 48 * 1024 * 1024;
const DEADLINE_MS = 60_000;

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

interface Attack {
  readonly name: string;
  /** The nth portion to send, after preface and settings; undefined when there is no more. */
  readonly portion: (index: number) => Buffer | undefined;
  /** `ends`: the connection must end before the attacker sent MAX_SENT_BYTES. `bounded`: it may live on, and costs little. */
  readonly outcome: 'ends' | 'bounded';
}

const forEver = (bytes: Buffer) => (): Buffer => bytes;
const once1 =
  (bytes: () => Buffer) =>
  (index: number): Buffer | undefined =>
    index === 0 ? bytes() : undefined;

const attacks: readonly Attack[] = [
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
    portion: (index) =>
      repeated(500, (each) => {
        const id = 2 * (index * 500 + each) + 1;
        return Buffer.concat([openStream(id), reset(id)]);
      }),
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

function echo(request: TunnelRequest<string>): void {
  if (request.authority !== 'echo:1') return;
  const endpoint = request.accept();
  const pump = (): void => {
    for (;;) {
      const region = endpoint.read();
      if (region === AGAIN) return;
      if (region === EOF) return endpoint.shutdownWrite();
      endpoint.write([region]);
    }
  };
  endpoint.onReadable = pump;
  pump();
}

async function echoes(neighbour: Endpoint, text: string): Promise<void> {
  send(neighbour, text);
  assert.equal((await readSome(neighbour, text.length)).toString(), text);
}

async function attacker(bench: TunnelBench): Promise<TLSSocket> {
  const port = Number(bench.key.destination.slice(bench.key.destination.lastIndexOf(':') + 1));
  const socket = tlsConnect({
    host: '127.0.0.1',
    port,
    cert: client.certChainPem,
    key: client.privateKeyPem,
    ca: client.rootsPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
  });
  // What it makes of being cut off is its own affair.
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(DEADLINE_MS) });
  // It reads nothing away: answers must not pile up with us either.
  socket.resume();
  socket.write(Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0)]));
  return socket;
}

/** Sends until the connection ended or there is no more to send; the number of bytes that went out. */
async function run(attack: Attack, socket: TLSSocket): Promise<{ readonly hasEnded: boolean; readonly sent: number }> {
  const ended = new Promise<void>((resolve) => socket.once('close', resolve).once('end', resolve));
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  let sent = 0;
  for (let index = 0; !hasEnded && sent < MAX_SENT_BYTES; index += 1) {
    const bytes = attack.portion(index);
    if (bytes === undefined) break;
    sent += bytes.length;
    const isTaken = socket.write(bytes);
    if (!isTaken) await Promise.race([once(socket, 'drain').catch(() => undefined), ended]);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  if (attack.outcome === 'ends') {
    const late = new Promise<void>((_, reject) => {
      setTimeout(
        () => reject(new Error(`${attack.name}: the connection lives on after ${sent} bytes`)),
        DEADLINE_MS,
      ).unref();
    });
    await Promise.race([ended, late]);
  }
  return { hasEnded, sent };
}

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

for (const engine of Object.values(BYTE_ENGINES)) {
  if (isSecureEngineUsable(engine.secure) !== true) continue;
  suite(`a hostile peer, engine ${engine.name}`, { timeout: 300_000 }, () => {
    for (const attack of attacks) {
      test(`${attack.name}: ${attack.outcome === 'ends' ? 'cut off' : 'bounded'}, and a neighbour goes on`, async () => {
        const bench = await tunnelBench({ client, server, serverEngine: engine, clientEngine: engine, onTunnel: echo });
        try {
          const neighbour = await bench.pool.open(bench.key, { authority: 'echo:1' });
          await echoes(neighbour, 'before');
          const [full, small, start] = [fullBlocks.lent, smallBlocks.lent, memory()];
          const socket = await attacker(bench);
          const outcome = run(attack, socket);
          await echoes(neighbour, 'during');
          await outcome;
          const grown = memory() - start;
          assert.ok(grown < MAX_GROWTH_BYTES, `${Math.round(grown / 1024)} KB more`);
          await echoes(neighbour, 'after');
          socket.destroy();
          await settled(() => bench.server.connections === 1 && fullBlocks.lent <= full && smallBlocks.lent <= small);
          await echoes(neighbour, 'long after');
          assert.equal(bench.dials(), 1);
        } finally {
          await bench.close();
        }
      });
    }
  });
}

async function settled(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, 'a connection or a block of the attacker is still held');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
