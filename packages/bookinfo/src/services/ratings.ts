// In: a book's number, or raw bytes on the echo port. Out: stars, or the same bytes. Called by `reviews` and the load generator.
import { createServer } from 'node:net';
import type { BookinfoConfig } from '../config.ts';
import { serve, type RunningService } from '../web/server.ts';

/** Starts the `ratings` service and its TCP echo port, which long-lived connections are tried on. */
export async function serveRatings(config: BookinfoConfig): Promise<RunningService> {
  const http = await serve(config.port, {
    '/ratings/*': ({ url }) => ({ status: 200, body: { id: url.pathname.split('/')[2], ratings: [5, 4] } }),
  });
  const sockets = new Set<{ destroy(): void }>();
  const echo = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.once('error', () => socket.destroy());
    socket.pipe(socket);
  });
  await new Promise<void>((resolve, reject) => {
    echo.once('error', reject);
    echo.listen(config.echoPort, () => resolve());
  });
  return {
    port: http.port,
    close: async () => {
      echo.close();
      for (const socket of sockets) socket.destroy();
      await http.close();
    },
  };
}
