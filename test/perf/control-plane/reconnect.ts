// Everybody loses the server at once and comes back (goal R5 of spec performance-and-reliability): BENCH_RECONNECTS clients in a process of their
// own, default 10,000. In: nothing. Out: figures. Called by suite.ts.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createResourceTable } from '@ambit/xds/server';
import { startTestXdsServer } from '@ambit/xds/testing';
import type { JoinedMessage, JoinMessage } from './reconnect-clients.ts';

const TYPE = 'type.googleapis.com/test.Thing';
/** About what one node's share of a mesh of a thousand services is. */
const RESOURCES = 1_000;
const BYTES = 450;

/** What a restart cost. */
export interface ReconnectResult {
  /** From the server's port being open to the last answer. */
  readonly lastAnswerMs: number;
  readonly eventLoopDelayP99Ms: number;
  /** Resources sent to all clients together; equal to the number of clients when each got the one that changed. */
  readonly resources: number;
  readonly answered: number;
}

/** Runs one restart. */
export async function measureReconnect(clients: number): Promise<ReconnectResult> {
  const table = createResourceTable(TYPE);
  for (let i = 0; i < RESOURCES; i++) table.set({ name: `thing-${i}`, bytes: Buffer.alloc(BYTES, i % 256) });
  const child = fork(new URL('reconnect-clients.ts', import.meta.url).pathname, [], {
    execArgv: ['--conditions=@ambit/source'],
  });
  const round = async (message: JoinMessage): Promise<JoinedMessage> => {
    child.send(message);
    const [joined] = (await once(child, 'message')) as [JoinedMessage];
    return joined;
  };
  try {
    const first = await startTestXdsServer([table]);
    // One client learns the versions that all others come back with.
    const { versions } = await round({ address: first.address, typeUrl: TYPE, clients: 1, versions: {} });
    const everybody = await round({ address: first.address, typeUrl: TYPE, clients, versions });
    if (everybody.answered !== clients) throw new Error(`${clients - everybody.answered} clients did not get in`);
    await first.stop();
    table.set({ name: 'thing-7', bytes: Buffer.from('changed') });
    await using second = await startTestXdsServer([table], { port: first.port });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const openedAtMs = performance.timeOrigin + performance.now();
    const { answered, lastAtMs, resources } = await round({
      address: second.address,
      typeUrl: TYPE,
      clients,
      versions,
    });
    delay.disable();
    return {
      lastAnswerMs: lastAtMs - openedAtMs,
      eventLoopDelayP99Ms: delay.percentile(99) / 1e6,
      resources,
      answered,
    };
  } finally {
    child.disconnect();
    if (child.exitCode === null) await once(child, 'exit');
  }
}
