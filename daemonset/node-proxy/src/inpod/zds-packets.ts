/**
 * The packet form of ZDS: SEQPACKET with network namespace descriptors. Main thread; native work is `@ambit/net`.
 */

import type { ZdsTransport } from './zds-client.ts';

/** Connects to the node agent's socket. Rejects when it is not there. */
export async function connectPackets(path: string, signal: AbortSignal): Promise<ZdsTransport> {
  throw new Error(`not yet ${path} ${String(signal)}`);
}
