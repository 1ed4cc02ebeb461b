// A port of this machine that leads to a port of a pod, through the API server. In: where to connect. Out: the address, until closed.
// Called by open-dashboard.ts. Each connection is a connection of its own to the pod.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A running forward. */
export interface Forward extends AsyncDisposable {
  readonly port: number;
}

function join(socket: Socket, remote: Duplex): void {
  // A page that is closed, or a pod that ends, is no failure of the forward.
  for (const [one, other] of [
    [socket, remote],
    [remote, socket],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
  socket.pipe(remote);
  remote.pipe(socket);
}

/** Listens on `address`; port 0 = any free one. `onRefused` is told when the pod cannot be reached. Rejects when the port is taken. */
export async function forward(
  connect: () => Promise<Duplex>,
  { address, port }: { readonly address: string; readonly port: number },
  onRefused: (error: unknown) => void,
): Promise<Forward> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    connect().then(
      (remote) => (socket.destroyed ? remote.destroy() : join(socket, remote)),
      (error: unknown) => {
        socket.destroy();
        onRefused(error);
      },
    );
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
