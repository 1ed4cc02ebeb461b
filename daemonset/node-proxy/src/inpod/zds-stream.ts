/**
 * The stream form of ZDS, used where pods are loopback addresses and no descriptor is needed. Main thread.
 *
 * An ordinary unix stream socket with frames of `u32 big-endian length + message` in both directions
 * (`AMBIT_ZDS_TRANSPORT=stream`).
 */
import { createConnection, type Socket } from 'node:net';
import { once } from 'node:events';
import { framedSocket } from '@ambit/net';
import type { ZdsTransport } from './zds-client.ts';
import { ZDS_MESSAGE_LIMIT_BYTES } from './zds-wire.ts';

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
  const { send, receive, close } = framedSocket(socket, ZDS_MESSAGE_LIMIT_BYTES);
  return {
    async receive() {
      const bytes = await receive();
      return bytes === undefined ? undefined : { bytes, fds: [] };
    },
    send,
    close,
  };
}
