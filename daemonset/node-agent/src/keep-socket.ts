// In: the path of a unix socket, how to listen there. Out: something that listens there for as long as this agent runs, whoever removes the
// file: an earlier agent that ends late, or a clean-up of the folder. Without the file nobody can connect, and nobody would say so.
// Called by app.ts for each of the agent's sockets. Main thread.
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { statSync } from 'node:fs';
import { repeat } from './enrol/repeat.ts';

/** Starts listening; resolves with how to stop. */
export type Listen = () => Promise<() => Promise<void>>;

/** How often the file is looked for. */
const lookMs = 1000;

/** Listens, and again when the file at the path is gone. Rejects when the first attempt fails; resolves with how to stop for good. */
export async function keepListening(
  path: string,
  listen: Listen,
  log: Logger,
  intervalMs = lookMs,
): Promise<() => Promise<void>> {
  let stop = await listen();
  const look = async (): Promise<void> => {
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
    log.warn('the socket was removed by another program and is made anew', { path });
    // The old one first, because its end removes whatever file is at the path. What is connected through it stays.
    stop().catch((error: unknown) => log.debug('old socket not closed', { path, error: messageOf(error) }));
    stop = await listen();
  };
  const watching = repeat(look, intervalMs, (error) =>
    log.error('the socket could not be made anew', { path, error: messageOf(error) }),
  );
  return async () => {
    watching[Symbol.dispose]();
    await stop();
  };
}
