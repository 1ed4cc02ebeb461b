// In: what the agent knows of itself. Out: its ports: health, metrics, and a page for operators on loopback. Called by app.ts. Main thread.
// Source: spec node-agent 7.4 (what readiness means), 8.2 and 8.4.
import { createAdminServer } from '@ambit/runtime/admin';
import type { Logger } from '@ambit/runtime/log';
import type { MetricsRegistry } from '@ambit/runtime/metrics';

/** What is served. */
export interface StatusParts {
  readonly registry: MetricsRegistry;
  /** Why the agent is not ready; undefined when it is. */
  readonly notReady: () => string | undefined;
  /** Called before the metrics are read, so that counted states are of this moment. */
  readonly beforeMetrics: () => void;
  /** Everything about enrolled pods and connected proxies, as plain data. */
  readonly state: () => object;
  readonly log: Logger;
}

/** Where; port 0 switches a page off. */
export interface StatusPorts {
  readonly health: number;
  readonly metrics: number;
  readonly debug: number;
}

/** Serves until the stack is disposed. Rejects when a port is taken. */
export async function serveStatus(parts: StatusParts, ports: StatusPorts, stack: AsyncDisposableStack): Promise<void> {
  const { registry, notReady, beforeMetrics, state, log } = parts;
  const pages = [
    {
      host: '0.0.0.0',
      port: ports.health,
      isOn: true,
      routes: {
        '/healthz': () => ({ status: 200, body: 'ok' }),
        '/readyz': () => {
          const reason = notReady();
          return reason === undefined ? { status: 200, body: 'ok' } : { status: 503, body: `not ready: ${reason}` };
        },
      },
    },
    {
      host: '0.0.0.0',
      port: ports.metrics,
      isOn: ports.metrics > 0,
      routes: {
        '/metrics': async () => {
          beforeMetrics();
          return { status: 200, contentType: registry.contentType, body: await registry.text() };
        },
      },
    },
    {
      host: '127.0.0.1',
      port: ports.debug,
      isOn: ports.debug > 0,
      routes: {
        '/debug/enrolment': () => ({
          status: 200,
          contentType: 'application/json',
          body: `${JSON.stringify(state(), undefined, 2)}\n`,
        }),
      },
    },
  ];
  for (const { host, port, isOn, routes } of pages) {
    if (!isOn) continue;
    const server = createAdminServer({ routes, log });
    await server.listen({ host, port });
    stack.defer(async () => server.close());
  }
}
