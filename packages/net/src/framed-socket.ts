/**
 * Messages over a stream socket, each with its length in front (`u32 big-endian length + message`).
 *
 * In: a connected socket of node:net. Out: whole messages, one at a time. Called by both ends of ZDS where no descriptors
 * travel (loopback capture); the form with descriptors is native/sequenced.ts. Main thread.
 */
import type { Socket } from 'node:net';
import { NetError } from './errors.ts';

const HEAD_BYTES = 4;

/** Messages that wait for a reader before the peer is made to wait. */
const MAX_WAITING = 64;

/** A socket that carries messages; owns the socket. */
export interface FramedSocket {
  /** Resolves when the message was handed to the system; rejects when the connection is gone. */
  readonly send: (message: Uint8Array) => Promise<void>;
  /** The next message; undefined at the end. Rejects with the socket's error, or ERR_NET_MESSAGE. One caller at a time. */
  readonly receive: () => Promise<Buffer | undefined>;
  /** Ends the connection. Idempotent. */
  readonly close: () => void;
  /** Resolves when the connection has ended, by either side. */
  readonly closed: Promise<void>;
}

/** Puts the length in front of a message. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length);
  return Buffer.concat([head, message]);
}

/** Splits a byte stream into messages, however it is cut. Throws ERR_NET_MESSAGE on one over `maxBytes`. */
export function createFrameReader(maxBytes: number): (chunk: Buffer) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const messages: Buffer[] = [];
    while (rest.length >= HEAD_BYTES) {
      const length = rest.readUInt32BE(0);
      if (length > maxBytes) {
        throw new NetError('ERR_NET_MESSAGE', `frame of ${length} bytes is over the limit of ${maxBytes} bytes`);
      }
      if (rest.length < HEAD_BYTES + length) break;
      messages.push(rest.subarray(HEAD_BYTES, HEAD_BYTES + length));
      rest = rest.subarray(HEAD_BYTES + length);
    }
    return messages;
  };
}

/** Wraps a connected socket. A message over `maxBytes` ends the connection. */
export function framedSocket(socket: Socket, maxBytes: number): FramedSocket {
  const read = createFrameReader(maxBytes);
  const messages: Buffer[] = [];
  let waiting: PromiseWithResolvers<Buffer | undefined> | undefined;
  let failure: Error | undefined;
  let ended = false;
  const closed = Promise.withResolvers<void>();

  const settle = (): void => {
    if (waiting === undefined) return;
    const next = messages.shift();
    if (next !== undefined) waiting.resolve(next);
    else if (failure !== undefined) waiting.reject(failure);
    else if (ended) waiting.resolve(undefined);
    else return;
    waiting = undefined;
    if (socket.isPaused() && messages.length < MAX_WAITING) socket.resume();
  };

  socket.on('data', (chunk: Buffer) => {
    try {
      messages.push(...read(chunk));
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
      socket.destroy();
    }
    settle();
    if (messages.length >= MAX_WAITING) socket.pause();
  });
  socket.on('error', (error) => {
    failure ??= error;
  });
  socket.once('close', () => {
    ended = true;
    settle();
    closed.resolve();
  });

  return {
    send: async (message) => {
      await new Promise<void>((resolve, reject) => {
        socket.write(frame(message), (error) => (error ? reject(error) : resolve()));
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
