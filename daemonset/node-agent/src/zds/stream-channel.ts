// In: a connected stream socket. Out: a ZdsChannel of frames (`u32 big-endian length + message`), without descriptors.
// Called by listen.ts in loopback capture. Main thread.
import type { Socket } from 'node:net';
import { NodeAgentError } from '../errors.ts';
import { messageLimitBytes, type ZdsChannel } from './channel.ts';

const headBytes = 4;

/** Splits off complete frames. Throws ERR_NODE_AGENT_ZDS on a frame over the limit. Pure. */
export function takeFrames(bytes: Buffer): { readonly frames: readonly Buffer[]; readonly rest: Buffer } {
  const frames: Buffer[] = [];
  let rest = bytes;
  while (rest.length >= headBytes) {
    const length = rest.readUInt32BE(0);
    if (length > messageLimitBytes)
      throw new NodeAgentError(
        'ERR_NODE_AGENT_ZDS',
        `frame of ${length} bytes is over the limit of ${messageLimitBytes} bytes`,
      );
    if (rest.length < headBytes + length) break;
    frames.push(rest.subarray(headBytes, headBytes + length));
    rest = rest.subarray(headBytes + length);
  }
  return { frames, rest };
}

/** Wraps a socket; owns it from here on. */
export function streamChannel(socket: Socket): ZdsChannel {
  const queue: Uint8Array[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  let failure: Error | undefined;
  const closed = Promise.withResolvers<void>();
  let ended = false;
  const settle = (): void => {
    if (waiting === undefined) return;
    const next = queue.shift();
    if (next !== undefined) waiting.resolve(next);
    else if (failure !== undefined) waiting.reject(failure);
    else if (ended) waiting.resolve(undefined);
    else return;
    waiting = undefined;
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      const taken = takeFrames(Buffer.concat([rest, chunk]));
      rest = taken.rest;
      queue.push(...taken.frames);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
    }
    settle();
  });
  socket.on('error', (error) => (failure = error));
  socket.once('close', () => {
    ended = true;
    settle();
    closed.resolve();
  });
  return {
    carriesDescriptors: false,
    send: async (message) => {
      const head = Buffer.alloc(headBytes);
      head.writeUInt32BE(message.length);
      await new Promise<void>((resolve, reject) => {
        socket.write(Buffer.concat([head, message]), (error) => (error ? reject(error) : resolve()));
      });
    },
    receive: async () => {
      waiting = Promise.withResolvers();
      const { promise } = waiting;
      settle();
      return promise;
    },
    close: () => void socket.destroy(),
    closed: closed.promise,
  };
}
