// In: host and port of an echo service. Out: one TCP connection that is used all the time, and what became of it.
// Called by the load service, to show that a connection lives through enrolment and rollout.
import { connect, type Socket } from 'node:net';

/** State of one held connection. */
export interface HeldConnection {
  readonly id: number;
  readonly target: string;
  readonly opened: string;
  /** Echoes that came back unchanged. */
  echoes: number;
  /** Why the connection ended; undefined while it lives. */
  ended: string | undefined;
}

/** Opens and watches connections. */
export interface HeldConnections {
  readonly open: (host: string, port: number) => Promise<HeldConnection>;
  readonly list: () => readonly HeldConnection[];
  readonly close: () => void;
}

/** Most connections held at a time. */
export const heldLimit = 100;

function keepUsing(socket: Socket, held: HeldConnection): void {
  let expected = '';
  const timer = setInterval(() => {
    if (expected !== '') return;
    expected = `ping ${held.echoes}\n`;
    socket.write(expected);
  }, 100);
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    if (received.length < expected.length) return;
    if (received === expected) held.echoes += 1;
    else socket.destroy(new Error('the echo differs from what was sent'));
    received = '';
    expected = '';
  });
  socket.once('close', () => {
    clearInterval(timer);
    held.ended ??= 'closed by the other side';
  });
}

/** Makes an empty set of held connections. */
export function createHeldConnections(): HeldConnections {
  const connections: { readonly socket: Socket; readonly held: HeldConnection }[] = [];
  return {
    open: async (host, port) => {
      if (connections.filter(({ held }) => held.ended === undefined).length >= heldLimit) {
        throw new RangeError(`already holding ${heldLimit} connections`);
      }
      const socket = connect({ host, port, noDelay: true });
      const held: HeldConnection = {
        id: connections.length + 1,
        target: `${host}:${port}`,
        opened: new Date().toISOString(),
        echoes: 0,
        ended: undefined,
      };
      connections.push({ socket, held });
      socket.on('error', (error) => (held.ended = error.message));
      await new Promise<void>((resolve) => {
        socket.once('connect', () => {
          keepUsing(socket, held);
          resolve();
        });
        socket.once('close', () => resolve());
      });
      return held;
    },
    list: () => connections.map(({ held }) => held),
    close: () => connections.forEach(({ socket }) => socket.destroy()),
  };
}
