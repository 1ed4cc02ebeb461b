// The neighbour: one tunnel of somebody else through the same server, pinged at a steady rate however late the answers are
// (open loop). In: where. Out: times of the pings of a span. The caller closes it.
import { once } from 'node:events';
import { connect } from 'node:net';

const PINGS_PER_SECOND = 200;
const PING = Buffer.alloc(64, 0x70);

/** A running neighbour. */
export interface Neighbour {
  /** Round trips, ms, of the pings that were sent in the next `ms`. */
  measure(ms: number): Promise<readonly number[]>;
  close(): void;
}

/** Opens its tunnel. */
export async function startNeighbour(port: number): Promise<Neighbour> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const sentAt: number[] = [];
  let times: number[] = [];
  let problem: Error | undefined;
  let pending = 0;
  socket.on('error', (error) => (problem = error));
  socket.on('close', () => (problem ??= new Error('the neighbour was cut off')));
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.length;
    for (; pending >= PING.length; pending -= PING.length) times.push(performance.now() - (sentAt.shift() ?? 0));
  });
  socket.write('e');
  const tick = (): void => {
    sentAt.push(performance.now());
    socket.write(PING);
  };
  return {
    async measure(ms) {
      times = [];
      const timer = setInterval(tick, 1000 / PINGS_PER_SECOND);
      await new Promise((resolve) => setTimeout(resolve, ms));
      clearInterval(timer);
      for (let look = 0; sentAt.length > 0 && problem === undefined && look < 1000; look += 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      if (problem !== undefined) throw problem;
      if (sentAt.length > 0) throw new Error(`${sentAt.length} pings of the neighbour were never answered`);
      return times;
    },
    close: () => void socket.destroy(),
  };
}
