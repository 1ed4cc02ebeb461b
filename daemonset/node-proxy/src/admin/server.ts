/**
 * HTTP requests of operators, Prometheus and the kubelet in; dumps, metrics and readiness out. Main thread.
 *
 * Made by `app.ts`: admin (15000, loopback), metrics (15020) and readiness (15021) of spec/node-proxy.md 9.1, 9.5, 9.7.
 */
import {
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  type AdminServer,
  createAdminServer,
} from '@ambit/runtime/admin';
import type { Logger } from '@ambit/runtime/log';
import type { MetricsRegistry } from '@ambit/runtime/metrics';
import { OPEN_METRICS_TYPE, openMetricsText, plainText, wantsOpenMetrics } from '../telemetry/exposition.ts';
import { compressed } from './compress.ts';

/** What the admin pages show and trigger. */
export interface AdminInput {
  readonly configDump: () => Promise<string>;
  readonly logging: (request: AdminRequest) => AdminResponse;
  readonly shutdown: () => void;
  /** `/debug/pprof/...` by path. */
  readonly pprof: Readonly<Record<string, AdminRoute>>;
  readonly log: Logger;
}

const INDEX = `<!DOCTYPE html><title>node proxy</title><h1>node proxy</h1><ul>
<li><a href="config_dump">config_dump</a></li>
<li>logging (POST)</li>
<li>quitquitquit (POST)</li>
<li><a href="debug/pprof/profile">debug/pprof/profile</a> (seconds, frequency)</li>
<li><a href="debug/pprof/heap">debug/pprof/heap</a></li>
<li><a href="debug/pprof/heap/profiling">debug/pprof/heap/profiling</a> (activate)</li></ul>
`;

/** The admin server. */
export function adminServer(input: AdminInput): AdminServer {
  return createAdminServer({
    log: input.log,
    routes: {
      ...input.pprof,
      '/': () => ({ contentType: 'text/html; charset=utf-8', body: INDEX }),
      '/config_dump': async () => ({ contentType: 'application/json', body: await input.configDump() }),
      '/logging': input.logging,
      '/quitquitquit': (request) => {
        if (request.method !== 'POST') return { status: 405, body: 'Invalid HTTP method\n' };
        input.shutdown();
        return { body: 'shutdown now\n' };
      },
    },
  });
}

/**
 * Admin servers on the loopback addresses, IPv4 first. A machine without IPv6 has no `::1`: that is no failure (spec/node-proxy.md
 * 1.3). Rejects when an address is in use, and listens nowhere then.
 */
export async function listenOnLoopback(
  input: AdminInput,
  at: { readonly hosts: readonly string[]; readonly port: number },
): Promise<readonly AdminServer[]> {
  const servers: AdminServer[] = [];
  for (const host of at.hosts) {
    const server = adminServer(input);
    try {
      await server.listen({ host, port: at.port });
      servers.push(server);
    } catch (error) {
      if (host.includes(':') && isWithoutFamily(error)) continue;
      for (const open of servers) open.destroy();
      throw error;
    }
  }
  return servers;
}

function isWithoutFamily(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT';
}

/** The metrics server: OpenMetrics or Prometheus text, encoded as the scraper likes. */
export function metricsServer(registry: MetricsRegistry, log: Logger): AdminServer {
  const expose = async ({ headers }: AdminRequest): Promise<AdminResponse> => {
    const isOpen = wantsOpenMetrics(headers.accept);
    const text = await registry.text();
    return {
      contentType: isOpen ? OPEN_METRICS_TYPE : registry.contentType,
      ...(await compressed(isOpen ? openMetricsText(text) : plainText(text), headers['accept-encoding'])),
    };
  };
  return createAdminServer({ log, routes: { '/metrics': expose, '/stats/prometheus': expose } });
}

/** The readiness server: 200 when nothing is pending, else 500 with the names. */
export function readinessServer(pending: () => readonly string[], log: Logger): AdminServer {
  return createAdminServer({
    log,
    routes: {
      '/healthz/ready': (request) => {
        if (request.method !== 'GET') return { status: 405, body: 'Invalid HTTP method\n' };
        const waiting = pending();
        if (waiting.length === 0) return { body: 'ready\n' };
        return { status: 500, body: `not ready, pending: ${waiting.join(', ')}\n` };
      },
    },
  });
}
