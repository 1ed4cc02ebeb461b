// The load: bulk transfer, 64-byte round trips, new connections. The same generator for every path, in the main process.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HOST = '127.0.0.1';
const CHUNK = Buffer.alloc(256 * 1024, 0x61);
const SWALLOW = Buffer.from('s');
const ECHO = Buffer.from('e');
const MESSAGE = Buffer.alloc(64, 0x62);
/** A path that stands still this long has failed. */
const STALL_MS = 10_000;

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: HOST, noDelay: true });
  socket.setTimeout(STALL_MS, () => socket.destroy(new Error(`no progress for ${STALL_MS} ms`)));
  await once(socket, 'connect');
  return socket;
}

/** Sends for `ms` on each of `streams` connections; counts only what the application confirmed. */
export async function bulk(port: number, streams: number, ms: number): Promise<{ bytes: number; seconds: number }> {
  const started = performance.now();
  const sent = await Promise.all(Array.from({ length: streams }, () => pour(port, started + ms)));
  return { bytes: sent.reduce((sum, bytes) => sum + bytes, 0), seconds: (performance.now() - started) / 1000 };
}

async function pour(port: number, until: number): Promise<number> {
  const socket = await open(port);
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

/** Round trips on one connection, one at a time. Microseconds each. */
export async function roundTrips(port: number, ms: number): Promise<number[]> {
  const socket = await open(port);
  const times: number[] = [];
  const until = performance.now() + ms;
  socket.write(ECHO);
  await new Promise<void>((resolve, reject) => {
    let startedAt = 0;
    let missing = 0;
    const next = (): void => {
      startedAt = performance.now();
      missing = MESSAGE.length;
      socket.write(MESSAGE);
    };
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      times.push((performance.now() - startedAt) * 1000);
      if (performance.now() < until) next();
      else resolve();
    });
    next();
  });
  socket.destroy();
  return times;
}

/** New connections with one round trip each, `parallel` at a time. Returns connections per second. */
export async function connections(port: number, parallel: number, ms: number): Promise<number> {
  const started = performance.now();
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - started < ms) {
      const socket = await open(port);
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
