// The load: bulk transfer both ways, round trips, new connections, idle connections. Called by load-process.ts.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Where the load goes. */
export interface LoadTarget {
  readonly host: string;
  readonly port: number;
}

const CHUNK = Buffer.alloc(256 * 1024, 0x61);
const SWALLOW = Buffer.from('s');
const SEND = Buffer.from('d');
const ECHO = Buffer.from('e');
/** A path that stands still this long has failed. */
const STALL_MS = 10_000;
const OPEN_AT_ONCE = 100;

async function open(target: LoadTarget): Promise<Socket> {
  const socket = connect({ ...target, noDelay: true });
  socket.setTimeout(STALL_MS, () => socket.destroy(new Error(`no progress for ${STALL_MS} ms`)));
  await once(socket, 'connect');
  return socket;
}

/** Sends for `ms` on each of `streams` connections; counts only what the application confirmed. */
export async function bulkUp(
  target: LoadTarget,
  streams: number,
  ms: number,
): Promise<{ bytes: number; seconds: number }> {
  const started = performance.now();
  const sent = await Promise.all(Array.from({ length: streams }, async () => pour(target, started + ms)));
  return { bytes: sum(sent), seconds: (performance.now() - started) / 1000 };
}

async function pour(target: LoadTarget, until: number): Promise<number> {
  const socket = await open(target);
  let sent = 0;
  socket.write(SWALLOW);
  while (performance.now() < until) {
    sent += CHUNK.length;
    if (!socket.write(CHUNK)) await once(socket, 'drain');
  }
  socket.end();
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  if (answer[0] !== 0x6b) throw new Error('the application did not confirm the transfer');
  return sent;
}

/** Receives for `ms` on each of `streams` connections, into one reused buffer. */
export async function bulkDown(
  target: LoadTarget,
  streams: number,
  ms: number,
): Promise<{ bytes: number; seconds: number }> {
  const buffer = Buffer.allocUnsafe(256 * 1024);
  let bytes = 0;
  const sockets = await Promise.all(
    Array.from({ length: streams }, async () => {
      const onread = { buffer, callback: (count: number) => ((bytes += count), true) };
      const socket = connect({ ...target, onread });
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    }),
  );
  const started = performance.now();
  for (const socket of sockets) socket.write(SEND);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const seconds = (performance.now() - started) / 1000;
  for (const socket of sockets) socket.destroy();
  return { bytes, seconds };
}

/** Round trips of `bytes` on `parallel` connections, one at a time on each. */
export async function roundTrips(
  target: LoadTarget,
  parallel: number,
  bytes: number,
  ms: number,
): Promise<{ times: number[]; seconds: number }> {
  const started = performance.now();
  const times: number[] = [];
  await Promise.all(Array.from({ length: parallel }, async () => pingPong(target, bytes, started + ms, times)));
  return { times: quantiles(times), seconds: (performance.now() - started) / 1000 };
}

/** Count, median and 99th percentile: three numbers instead of a hundred thousand. */
function quantiles(times: number[]): number[] {
  times.sort((a, b) => a - b);
  return [times.length, times[times.length >> 1] ?? Number.NaN, times[Math.floor(times.length * 0.99)] ?? Number.NaN];
}

async function pingPong(target: LoadTarget, bytes: number, until: number, times: number[]): Promise<void> {
  const socket = await open(target);
  const message = Buffer.alloc(bytes, 0x62);
  socket.write(ECHO);
  await new Promise<void>((resolve, reject) => {
    let startedAt = 0;
    let missing = 0;
    const next = (): void => {
      startedAt = performance.now();
      missing = bytes;
      socket.write(message);
    };
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      const now = performance.now();
      times.push((now - startedAt) * 1000);
      if (now < until) next();
      else resolve();
    });
    next();
  });
  socket.destroy();
}

/** One of the kept connections of an open loop: when each answer that is missing was due to be asked for, in order. */
interface Asked {
  readonly socket: Socket;
  readonly dueAt: number[];
  missingBytes: number;
}

/**
 * Messages of `bytes` at `perSecond` over `parallel` kept connections in turn, whether answers have come or not. Times count from when
 * a message was due, so that a path that falls behind is not asked less (no coordinated omission).
 */
export async function openLoop(
  target: LoadTarget,
  options: { readonly parallel: number; readonly bytes: number; readonly perSecond: number; readonly ms: number },
): Promise<{ times: number[]; seconds: number }> {
  const { parallel, bytes, perSecond, ms } = options;
  const times: number[] = [];
  const total = Math.floor((perSecond * ms) / 1000);
  const { promise: answered, resolve, reject } = Promise.withResolvers<void>();
  answered.catch(() => undefined); // awaited when everything is sent
  const lines: readonly Asked[] = await Promise.all(
    Array.from({ length: parallel }, async () => {
      const line: Asked = { socket: await open(target), dueAt: [], missingBytes: bytes };
      line.socket.on('error', reject);
      line.socket.on('data', (chunk: Buffer) => {
        takeAnswers(line, chunk.length, bytes, times);
        if (times.length === total) resolve();
      });
      line.socket.write(ECHO);
      return line;
    }),
  );
  const message = Buffer.alloc(bytes, 0x62);
  const started = performance.now();
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - started) * perSecond) / 1000));
    for (; sent < due; sent += 1) {
      const line = lines[sent % parallel] as Asked;
      line.dueAt.push(started + ((sent + 1) * 1000) / perSecond);
      line.socket.write(message);
    }
    await new Promise((next) => setTimeout(next, 1));
  }
  await answered;
  const seconds = (performance.now() - started) / 1000;
  for (const { socket } of lines) socket.destroy();
  return { times: quantiles(times), seconds };
}

function takeAnswers(line: Asked, received: number, bytes: number, times: number[]): void {
  line.missingBytes -= received;
  while (line.missingBytes <= 0) {
    line.missingBytes += bytes;
    times.push((performance.now() - (line.dueAt.shift() ?? Number.NaN)) * 1000);
  }
}

/** New connections with one round trip each, `parallel` at a time. Returns connections per second. */
export async function connections(target: LoadTarget, parallel: number, ms: number): Promise<number> {
  const started = performance.now();
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - started < ms) {
      const socket = await open(target);
      socket.write('exxxxxxxx');
      await once(socket, 'data');
      socket.end();
      socket.resume();
      await once(socket, 'close');
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return count / ((performance.now() - started) / 1000);
}

/** Waits until a connection is answered at once again: what the leg before left in flight is gone. */
export async function settle(target: LoadTarget): Promise<void> {
  for (let look = 0; look < 50; look += 1) {
    const { times } = await roundTrips(target, 1, 1, 20);
    if ((times[2] ?? Number.POSITIVE_INFINITY) < 5000) return;
  }
}

/** Opens connections that have said one thing and then nothing. */
export async function idle(target: LoadTarget, count: number): Promise<{ close(): void }> {
  const sockets: Socket[] = [];
  for (let opened = 0; opened < count; opened += OPEN_AT_ONCE) {
    const batch = await Promise.all(
      Array.from({ length: Math.min(OPEN_AT_ONCE, count - opened) }, async () => open(target)),
    );
    for (const socket of batch) {
      socket.setTimeout(0);
      socket.on('error', () => undefined);
      socket.write('ex');
    }
    await Promise.all(batch.map(async (socket) => once(socket, 'data')));
    sockets.push(...batch);
  }
  return {
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
