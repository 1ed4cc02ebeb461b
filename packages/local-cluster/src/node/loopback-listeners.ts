// Listening sockets that outlive one generation of a program (decision W20, loopback mode).
// Comes in: messages of a container over its IPC channel. Goes out: server handles; the node keeps each one open, so
// that connections wait in its queue while no generation accepts. Main thread.
import type { ChildProcess } from 'node:child_process';
import net from 'node:net';
import type { Server } from 'node:net';
import { getSystemErrorName } from 'node:util';

/** The kept listeners of one node. */
export interface ListenerKeeper {
  /** Serves the requests of a container until it exits. */
  attach(child: ChildProcess): void;
  close(): void;
}

interface Held {
  readonly server: Server;
  readonly handle: BoundHandle;
}

/** Makes the keeper of one node. */
export function createListenerKeeper(): ListenerKeeper {
  const held = new Map<string, Promise<Held>>();

  const hold = (address: string, port: number): Promise<Held> => {
    const key = `${address}:${port}`;
    const present = held.get(key);
    if (present !== undefined) return present;
    const made = bind(address, port);
    held.set(key, made);
    made.catch(() => held.delete(key));
    return made;
  };

  const onMessage = async (child: ChildProcess, message: unknown): Promise<void> => {
    const { kind, id, address, port } = (message ?? {}) as Record<string, unknown>;
    if (typeof address !== 'string' || typeof port !== 'number' || !address.startsWith('127.')) return;
    if (kind === 'release') {
      const found = held.get(`${address}:${port}`);
      held.delete(`${address}:${port}`);
      await found?.then(({ handle }) => handle.close()).catch(() => undefined);
      return;
    }
    if (kind !== 'listen') return;
    try {
      const { server } = await hold(address, port);
      if (child.connected) child.send({ kind: 'listening', id }, server);
    } catch (error) {
      if (child.connected) child.send({ kind: 'listening', id, error: (error as Error).message });
    }
  };

  return {
    attach: (child) => {
      child.on('message', (message) => void onMessage(child, message)); // settles itself
    },
    close: () => {
      for (const each of held.values()) void each.then(({ handle }) => handle.close()).catch(() => undefined);
      held.clear();
    },
  };
}

interface BoundHandle {
  close(): void;
}

// Bound here but never listened on: only the program accepts, and this process only keeps the descriptor alive.
// `_createServerHandle` is what node:cluster is built on; it is absent from the types.
function bind(address: string, port: number): Promise<Held> {
  const create = Reflect.get(net, '_createServerHandle') as (
    address: string,
    port: number,
    type: 4,
  ) => BoundHandle | number;
  const handle = create(address, port, 4);
  if (typeof handle === 'number') {
    return Promise.reject(new Error(`cannot bind ${address}:${port}: ${getSystemErrorName(handle)}`));
  }
  const server = new net.Server();
  Reflect.set(server, '_handle', handle);
  return Promise.resolve({ server, handle });
}
