// The load generator as a process, so that it can stand in a pod's namespace and its CPU is nobody else's: one JSON order
// per line on standard input, one JSON answer per line on standard output. Started by processes.ts.
import { createInterface } from 'node:readline';
import { bulkDown, bulkUp, connections, idle, openLoop, roundTrips, settle } from './load.ts';

/** What can be asked for. */
export interface LoadOrder {
  readonly kind: 'up' | 'down' | 'round-trips' | 'open-loop' | 'connections' | 'idle' | 'idle-end' | 'settle';
  readonly host: string;
  readonly port: number;
  /** Streams, parallel connections, idle connections, or messages per second of an open loop. */
  readonly count: number;
  readonly ms: number;
  /** Bytes of a message. */
  readonly bytes: number;
}

/** What comes back; `times` are microseconds. */
export interface LoadAnswer {
  readonly bytes?: number;
  readonly seconds?: number;
  readonly times?: readonly number[];
  readonly perSecond?: number;
  readonly error?: string;
}

const OPEN_LOOP_CONNECTIONS = 16;

let idleConnections: { close(): void } | undefined;

async function answer(order: LoadOrder): Promise<LoadAnswer> {
  const { host, port, count, ms, bytes } = order;
  switch (order.kind) {
    case 'up':
      return bulkUp({ host, port }, count, ms);
    case 'down':
      return bulkDown({ host, port }, count, ms);
    case 'round-trips':
      return roundTrips({ host, port }, count, bytes, ms);
    case 'open-loop':
      return openLoop({ host, port }, { parallel: OPEN_LOOP_CONNECTIONS, bytes, perSecond: count, ms });
    case 'connections':
      return { perSecond: await connections({ host, port }, count, ms) };
    case 'idle':
      idleConnections = await idle({ host, port }, count);
      return {};
    case 'settle':
      await settle({ host, port });
      return {};
    case 'idle-end':
      idleConnections?.close();
      return {};
    default:
      return order.kind satisfies never;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const result = await answer(JSON.parse(line) as LoadOrder).catch((error: unknown) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
