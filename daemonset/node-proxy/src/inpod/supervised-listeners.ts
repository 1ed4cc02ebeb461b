/**
 * An address and port in; a listening descriptor that the node's supervisor keeps open across generations out.
 *
 * Only in the loopback domain (decision W20): without namespaces and SO_REUSEPORT groups of two processes, the node
 * runtime owns the listening sockets and hands the same one to each generation over the IPC channel. Main thread.
 */
import type { Server } from 'node:net';
import { closeFd, duplicateFd } from '@ambit/net';
import { NodeProxyError } from '../telemetry/response-flags.ts';

/** The supervisor's side of listening. */
export interface SupervisedListeners {
  /** Descriptors of the listening socket, one per thread; the caller owns them. */
  open(address: string, port: number, copies: number): Promise<number[]>;
  /** The pod left the mesh: the supervisor closes its socket. */
  release(address: string, port: number): void;
}

/** The part of `process` with an IPC channel. */
export interface IpcHost {
  send?(message: unknown): boolean;
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
}

const ANSWER_LIMIT_MS = 5000;

/** Uses the channel to the supervisor; undefined when this process was started without one. */
export function supervisedListeners(host: IpcHost): SupervisedListeners | undefined {
  const send = host.send?.bind(host);
  if (send === undefined) return undefined;
  let nextId = 1;
  const waiting = new Map<number, (answer: { error?: string; handle: unknown }) => void>();
  host.on('message', (message, handle) => {
    if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== 'listening') return;
    const id = 'id' in message && typeof message.id === 'number' ? message.id : -1;
    const error = 'error' in message && typeof message.error === 'string' ? { error: message.error } : {};
    const settle = waiting.get(id);
    waiting.delete(id);
    settle?.({ ...error, handle });
  });
  return {
    async open(address, port, copies) {
      const id = nextId;
      nextId += 1;
      const done = Promise.withResolvers<number[]>();
      const fail = (why: string): void =>
        done.reject(
          new NodeProxyError('ERR_NODE_PROXY_CONNECT', `failed to bind to address ${address}:${port}: ${why}`),
        );
      const timer = setTimeout(() => {
        waiting.delete(id);
        fail(`the node runtime did not answer within ${ANSWER_LIMIT_MS} ms`);
      }, ANSWER_LIMIT_MS);
      // Copied and closed in the same turn: this thread must not accept what belongs to the data threads.
      waiting.set(id, ({ error, handle }) => {
        if (error !== undefined) return fail(error);
        const fd = descriptorOf(handle);
        if (fd === undefined) return fail('the node runtime sent no socket');
        done.resolve(copiesOf(fd, copies));
        (handle as Server).close();
      });
      send({ kind: 'listen', id, address, port });
      try {
        return await done.promise;
      } finally {
        clearTimeout(timer);
      }
    },
    release: (address, port) => void send({ kind: 'release', address, port }),
  };
}

function copiesOf(fd: number, copies: number): number[] {
  const made: number[] = [];
  try {
    for (let index = 0; index < copies; index += 1) made.push(duplicateFd(fd));
    return made;
  } catch (error) {
    for (const copy of made) closeFd(copy);
    throw error;
  }
}

/** The descriptor of a received server (`_handle.fd`, undocumented; pinned by the loopback test). */
function descriptorOf(handle: unknown): number | undefined {
  if (typeof handle !== 'object' || handle === null) return undefined;
  const inner: unknown = Reflect.get(handle, '_handle');
  if (typeof inner !== 'object' || inner === null) return undefined;
  const fd: unknown = Reflect.get(inner, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
