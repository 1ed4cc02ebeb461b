/**
 * The stream form of ZDS, used where pods are loopback addresses and no descriptor is needed. Main thread.
 *
 * An ordinary unix stream socket with frames of `u32 big-endian length + message` in both directions
 * (`AMBIT_ZDS_TRANSPORT=stream`).
 */
import { createConnection, type Socket } from 'node:net';
import { once } from 'node:events';
import type { ZdsPacket, ZdsTransport } from './zds-client.ts';
import { createFrameReader, frame } from './zds-wire.ts';

/** Connects to the node agent's socket. Rejects when it is not there. */
export async function connectStream(path: string, signal: AbortSignal): Promise<ZdsTransport> {
  const socket = createConnection({ path });
  try {
    await once(socket, 'connect', { signal });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return streamTransport(socket);
}

function streamTransport(socket: Socket): ZdsTransport {
  const frames: ZdsPacket[] = [];
  const read = createFrameReader();
  let waiting: PromiseWithResolvers<ZdsPacket | undefined> | undefined;
  let failure: Error | undefined;
  let ended = false;
  const settle = (): void => {
    if (waiting === undefined) return;
    const next = frames.shift();
    if (next !== undefined) waiting.resolve(next);
    else if (failure !== undefined) waiting.reject(failure);
    else if (ended) waiting.resolve(undefined);
    else return;
    waiting = undefined;
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const bytes of read(chunk)) frames.push({ bytes, fds: [] });
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      socket.destroy();
    }
    settle();
  });
  socket.on('error', (error) => {
    failure ??= error;
    settle();
  });
  socket.on('close', () => {
    ended = true;
    settle();
  });
  return {
    async receive() {
      waiting = Promise.withResolvers();
      const { promise } = waiting;
      settle();
      return promise;
    },
    async send(message) {
      await new Promise<void>((resolve, reject) => {
        socket.write(frame(message), (error) => (error ? reject(error) : resolve()));
      });
    },
    close: () => socket.destroy(),
  };
}
