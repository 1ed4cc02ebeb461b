/**
 * The packet form of ZDS: SEQPACKET with network namespace descriptors. Main thread; the calls are `@ambit/net`'s.
 */
import { connectSequenced } from '@ambit/net';
import type { ZdsTransport } from './zds-client.ts';

/** Connects to the node agent's socket. Rejects when it is not there. */
export async function connectPackets(path: string, signal: AbortSignal): Promise<ZdsTransport> {
  signal.throwIfAborted();
  const socket = connectSequenced(path);
  return {
    receive: async () => socket.receive(),
    send: async (message) => socket.send(message),
    close: () => socket.close(),
  };
}
