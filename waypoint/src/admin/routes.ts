/**
 * Admin, readiness and metrics pages (spec/waypoint.md 0.1, 7.7). In: the parts of a running app. Out: routes for
 * createAdminServer. Called by app.ts; main thread.
 */
import { currentByteEngine } from '@ambit/hbone';
import type { AdminResponse, AdminRoute } from '@ambit/runtime/admin';
import { isLogThreshold, parseLogFilter, type RootLogger } from '@ambit/runtime/log';
import { toJson } from '@bufbuild/protobuf';
import {
  BackendSchema,
  FrontendSchema,
  ListenerSchema,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
} from '@ambit/proto/waypoint';
import type { Snapshot } from '@ambit/state';
import type { DataThreads } from '../threads/publish.ts';
import { compileConfig } from '../updates/compiled-config.ts';
import type { ConfigSnapshot } from '../updates/config-store.ts';
import { explainQueryOf, explainRequest } from './explain.ts';
import type { WaypointConfig } from '../config.ts';

/** What the pages show. */
export interface AdminParts {
  readonly config: WaypointConfig;
  readonly log: RootLogger;
  readonly threads: DataThreads;
  readonly resources: () => ConfigSnapshot;
  readonly state: () => Snapshot;
  readonly ownMetrics: () => Promise<string>;
  /** What readiness still waits for; undefined while draining. */
  readonly pending: () => readonly string[] | undefined;
  readonly certificate: () =>
    | { readonly identity: string; readonly notAfter: number; readonly serial: string }
    | undefined;
  readonly isConnected: () => boolean;
  readonly stop: () => void;
}

const json = (value: unknown): AdminResponse => ({
  contentType: 'application/json',
  body: `${JSON.stringify(value, (_key, entry: unknown) => (typeof entry === 'bigint' ? entry.toString() : entry), 2)}\n`,
});

/** Port 15000. */
export const adminRoutes = (parts: AdminParts): Record<string, AdminRoute> => ({
  '/': () => ({ body: 'config_dump clusters certs explain logging ready server_info stats/prometheus quitquitquit\n' }),
  '/ready': () => readiness(parts),
  '/server_info': () =>
    json({
      state: parts.pending() === undefined ? 'DRAINING' : 'LIVE',
      node: { id: parts.config.nodeId },
      xds_connected: parts.isConnected(),
    }),
  '/config_dump': () => json(dump(parts)),
  '/clusters': () =>
    json([...parts.state().endpoints.keys()].map((key) => ({ name: key, endpoints: endpointsOf(parts.state(), key) }))),
  '/explain': ({ query }) => {
    const asked = explainQueryOf(query);
    if (typeof asked === 'string') return { status: 400, body: `${asked}\n` };
    return json(explainRequest(asked, compileConfig(parts.resources()), parts.state()));
  },
  '/certs': () => json(parts.certificate() ?? {}),
  '/stats/prometheus': () => metrics(parts),
  '/logging': (request) =>
    request.method === 'POST' ? setLevels(parts, request.query) : { body: `${parts.log.filter()}\n` },
  '/quitquitquit': (request) => {
    if (request.method !== 'POST') return { status: 405, body: 'POST only\n' };
    parts.stop();
    return { body: 'OK\n' };
  },
});

/** Port 15021. */
export const statusRoutes = (parts: AdminParts): Record<string, AdminRoute> => ({
  '/healthz/ready': () => readiness(parts),
});

/** Ports 15020 and 15090. */
export const statsRoutes = (parts: AdminParts): Record<string, AdminRoute> => ({
  '/stats/prometheus': () => metrics(parts),
  '/metrics': () => metrics(parts),
  '/healthz/ready': () => readiness(parts),
});

const metrics = async (parts: AdminParts): Promise<AdminResponse> => ({
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  body: (await parts.ownMetrics()) + (await parts.threads.metrics()),
});

/** Ready only with certificate, configuration and a heartbeat of every data thread (W11); never again once draining. */
const readiness = async (parts: AdminParts): Promise<AdminResponse> => {
  const pending = parts.pending();
  if (pending === undefined) return { status: 503, body: 'draining\n' };
  if (pending.length > 0) return { status: 503, body: `waiting for: ${pending.join(', ')}\n` };
  return (await parts.threads.isAlive())
    ? { body: 'LIVE\n' }
    : { status: 503, body: 'a data thread does not answer\n' };
};

const setLevels = (parts: AdminParts, query: URLSearchParams): AdminResponse => {
  const level = query.get('level') ?? [...query.values()][0] ?? '';
  const rows = parseLogFilter(level);
  if (typeof rows === 'string') return { status: 400, body: `${rows}\n` };
  for (const row of rows) {
    if (!isLogThreshold(row.level)) continue;
    parts.log.setLevel(row.scope, row.level);
    parts.threads.broadcast({ kind: 'log-level', scope: row.scope, level: row.level });
  }
  return { body: `${parts.log.filter()}\n` };
};

const dump = ({ config, resources, state }: AdminParts): unknown => {
  const { proxy, listener, frontend, routeTable, backend, policy } = resources();
  const rows = <T>(map: ReadonlyMap<string, T>, show: (message: T) => unknown) =>
    Object.fromEntries([...map].map(([key, message]) => [key, show(message)]));
  return {
    node: { id: config.nodeId, metadata: config.metadata },
    byteEngine: currentByteEngine().name,
    proxyConfig: rows(proxy, (message) => toJson(ProxyConfigSchema, message)),
    listeners: rows(listener, (message) => toJson(ListenerSchema, message)),
    frontends: rows(frontend, (message) => toJson(FrontendSchema, message)),
    routeTables: rows(routeTable, (message) => toJson(RouteTableSchema, message)),
    backends: rows(backend, (message) => toJson(BackendSchema, message)),
    policies: rows(policy, (message) => toJson(PolicySchema, message)),
    services: [...state().services.values()],
    workloads: [...state().workloads.values()],
  };
};

const endpointsOf = (state: Snapshot, key: string): unknown[] =>
  [...(state.endpoints.get(key)?.values() ?? [])].map(({ workload, ports }) => ({
    uid: workload.uid,
    ips: workload.ips,
    protocol: workload.protocol,
    healthy: workload.healthy,
    ports,
  }));
