// What operators may ask on 15014 and 8080 (spec control-plane 9.2): readiness, metrics, version, who is connected, the whole
// translation. In: the parts of the app. Out: routes of an admin server. Main thread.
import { AuthorizationSchema } from '@ambit/proto/authorization';
import { AddressSchema } from '@ambit/proto/workload';
import type { ModelProblem } from '@ambit/model';
import type { AdminRequest, AdminResponse, AdminRoute } from '@ambit/runtime/admin';
import type { XdsServer } from '@ambit/xds/server';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import type { Authenticator } from '../clients/authenticate.ts';
import type { ClusterState } from '../sources/cluster-state.ts';

/** Parts that the routes show. */
export interface AdminParts {
  readonly cluster: ClusterState;
  readonly xds: XdsServer;
  readonly isReady: () => boolean;
  readonly metrics: () => Promise<string>;
  /** Who else may see debug paths: identities of this namespace. */
  readonly systemNamespace: string;
  readonly authenticator: Authenticator;
}

/** Readiness for kubelet, on port 8080. */
export function readinessRoutes({ isReady }: Pick<AdminParts, 'isReady'>): Record<string, AdminRoute> {
  return { '/ready': () => (isReady() ? { status: 200 } : { status: 503, body: 'caches are not synced\n' }) };
}

/** Metrics and debug paths, on port 15014. Debug paths answer to this machine and to the system namespace. */
export function monitoringRoutes(parts: AdminParts): Record<string, AdminRoute> {
  const { cluster, xds } = parts;
  const debug = (route: AdminRoute): AdminRoute => guarded(parts, route);
  return {
    '/metrics': async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: await parts.metrics() }),
    '/version': () => json({ version: 'ambit' }),
    '/ready': readinessRoutes(parts)['/ready'] as AdminRoute,
    '/debug/syncz': debug(() => json(xds.status().map(syncOf))),
    '/debug/adsz': debug(() => json({ totalClients: xds.connections, clients: xds.status().map(syncOf) })),
    '/debug/ambientz': debug(() => json(ambient(cluster))),
    '/debug/problems': debug(() => json(cluster.model.problems() satisfies ModelProblem[])),
  };
}

/** Lets local callers through, and identities of the system namespace: what a mesh looks like inside is not for every pod. */
function guarded(parts: AdminParts, route: AdminRoute): AdminRoute {
  return async (request: AdminRequest) => {
    if (request.isLocal === true) return route(request);
    const caller = await parts.authenticator.authenticate(request.headers.authorization, 'admin');
    if (caller === undefined) return { status: 401, body: 'a bearer token is needed\n' };
    if (caller.namespace === parts.systemNamespace) return route(request);
    return { status: 403, body: `only identities of namespace ${parts.systemNamespace} may ask\n` };
  };
}

function json(value: unknown): AdminResponse {
  return { contentType: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` };
}

function syncOf(client: ReturnType<XdsServer['status']>[number]): object {
  return {
    proxy: client.nodeId.split('~')[2] ?? '',
    proxy_type: client.nodeType,
    connectedAt: new Date(client.connectedAtMs).toISOString(),
    address: client.peer,
    identities: client.identities,
    resources: Object.fromEntries(
      client.types.map((t) => [
        t.typeUrl,
        {
          state: t.state,
          mode: t.mode,
          sent: t.lastNonce,
          acked: t.ackedNonce,
          lastError: t.lastError,
          nacks: t.nacks,
        },
      ]),
    ),
  };
}

function ambient({ model }: ClusterState): object {
  const addresses = [...model.addresses.all()].map((r) => toJson(AddressSchema, fromBinary(AddressSchema, r.bytes)));
  const pick = (key: 'workload' | 'service'): unknown[] =>
    addresses.map((a) => (a as Record<string, unknown>)[key]).filter((value) => value !== undefined);
  const policies = [...model.authorizations.values()];
  return {
    workloads: pick('workload'),
    services: pick('service'),
    policies: policies.map((r) => toJson(AuthorizationSchema, fromBinary(AuthorizationSchema, r.bytes))),
  };
}
