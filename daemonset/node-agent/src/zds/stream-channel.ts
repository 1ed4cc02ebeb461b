// In: a connected stream socket. Out: a ZdsChannel of frames (`u32 big-endian length + message`), without descriptors.
// Called by listen.ts in loopback capture. Main thread.
import type { Socket } from 'node:net';
import { framedSocket } from '@ambit/net';
import { messageLimitBytes, type ZdsChannel } from './channel.ts';

/** Wraps a socket; owns it from here on. */
export function streamChannel(socket: Socket): ZdsChannel {
  const { send, receive, close, closed } = framedSocket(socket, messageLimitBytes);
  return { carriesDescriptors: false, send: async (message) => send(message), receive, close, closed };
}
