// In: orders over HTTP. Out: traffic from this pod and its counts. Called by the demo and by tests.
import type { BookinfoConfig } from '../config.ts';
import { startBackgroundLoad } from '../load/background.ts';
import { type Burst, runBurst } from '../load/burst.ts';
import { createHeldConnections } from '../load/held-connection.ts';
import { serve, type RunningService } from '../web/server.ts';

/** Starts the load generator: steady traffic to the product page, bursts and held connections on order. */
export async function serveLoad(config: BookinfoConfig): Promise<RunningService> {
  const background = startBackgroundLoad(config.productPage, config.requestsPerSecond);
  const held = createHeldConnections();
  const http = await serve(config.port, {
    '/load': ({ method, url }) => {
      const rate = url.searchParams.get('rate');
      if (rate !== null) background.setRate(Number(rate));
      if (method === 'DELETE') background.reset();
      return { status: 200, body: background.counts() };
    },
    '/burst': async ({ body }) => ({ status: 200, body: await runBurst(JSON.parse(body) as Burst) }),
    '/connections': async ({ method, body }) => {
      if (method === 'DELETE') held.close();
      if (method !== 'POST') return { status: 200, body: held.list() };
      const { host, port } = JSON.parse(body) as { host: string; port: number };
      return { status: 200, body: await held.open(host, port) };
    },
  });
  return {
    port: http.port,
    close: async () => {
      background.close();
      held.close();
      await http.close();
    },
  };
}
