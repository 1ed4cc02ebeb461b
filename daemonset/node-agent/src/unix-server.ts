// In: a path, routes. Out: HTTP on a unix socket, as the node's other programs expect it. Called by app.ts. Main thread.
import { type AdminRoute, createAdminServer } from '@ambit/runtime/admin';
import type { Logger } from '@ambit/runtime/log';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { keepListening } from './keep-socket.ts';

/** What to serve. */
export interface UnixServerOptions {
  readonly path: string;
  /** Permissions of the socket file: 0o600 for the node proxy, 0o666 where upstream has it so. */
  readonly mode: number;
  readonly routes: Readonly<Record<string, AdminRoute>>;
  readonly log: Logger;
}

/** Serves for good, whoever removes the file. Rejects when the first attempt fails; the result stops and removes the file. */
export async function keepServing(options: UnixServerOptions): Promise<() => Promise<void>> {
  return keepListening(options.path, async () => serveUnix(options), options.log);
}

/** Listens; an old socket file is replaced. */
async function serveUnix({ path, mode, routes, log }: UnixServerOptions): Promise<() => Promise<void>> {
  // 0o750: the folder is shared with the container runtime, which is root, and with nobody else.
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  rmSync(path, { force: true });
  const server = createAdminServer({ routes, log });
  await server.listen({ path });
  chmodSync(path, mode);
  return async () => server.close();
}
