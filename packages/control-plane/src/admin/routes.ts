// What operators may ask on 15014 and 8080 (spec control-plane 9.2): readiness, metrics, version, debug pages.
// In: the parts of the app. Out: routes of an admin server. Main thread.
import type { AdminRequest, AdminResponse, AdminRoute } from '@ambit/runtime/admin';
import type { Authenticator } from '../clients/authenticate.ts';
import { VERSION_TEXT } from '../version.ts';
import type { DebugPages } from './debug-pages.ts';

/** Parts that the routes show. */
export interface AdminParts {
  readonly isReady: () => boolean;
  readonly metrics: () => Promise<string>;
  readonly pages: DebugPages;
  /** Who else may see debug paths: identities of this namespace. */
  readonly systemNamespace: string;
  readonly authenticator: Authenticator;
  /** `ENABLE_DEBUG_ON_HTTP`. */
  readonly servesDebug: boolean;
  /** `ENABLE_DEBUG_ENDPOINT_AUTH`: false opens debug pages to everybody in reach. */
  readonly checksDebug: boolean;
}

/** Readiness for kubelet and debug pages, on port 8080. */
export function readinessRoutes(parts: AdminParts): Record<string, AdminRoute> {
  const { isReady } = parts;
  return {
    '/ready': () => (isReady() ? { status: 200 } : { status: 503, body: 'caches are not synced\n' }),
    ...debugRoutes(parts),
  };
}

/** Metrics, version and debug pages, on port 15014. Debug pages answer to this machine and to the system namespace. */
export function monitoringRoutes(parts: AdminParts): Record<string, AdminRoute> {
  return {
    '/metrics': async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: await parts.metrics() }),
    '/version': () => ({ contentType: 'text/plain; charset=utf-8', body: VERSION_TEXT.full }),
    ...readinessRoutes(parts),
  };
}

function debugRoutes(parts: AdminParts): Record<string, AdminRoute> {
  const { pages, servesDebug } = parts;
  if (!servesDebug) return {};
  const index = (): AdminResponse => ({
    contentType: 'text/html; charset=utf-8',
    body: `<ul>${pages.names.map((name) => `<li><a href="/debug/${name}">${name}</a></li>`).join('')}</ul>\n`,
  });
  const routes: Record<string, AdminRoute> = { '/debug': guarded(parts, true, index) };
  for (const name of pages.names) {
    routes[`/debug/${name}`] = guarded(parts, pages.isRestricted(name), ({ query }, namespace) =>
      json(pages.show(name, query, namespace)?.value),
    );
  }
  return routes;
}

/** Lets local callers through, and identities of the system namespace: what a mesh looks like inside is not for every pod. */
function guarded(
  parts: AdminParts,
  isRestricted: boolean,
  page: (request: AdminRequest, namespace?: string) => AdminResponse,
): AdminRoute {
  return async (request: AdminRequest) => {
    if (request.isLocal === true || !parts.checksDebug) return page(request);
    const { authorization } = request.headers;
    const caller = await parts.authenticator.authenticate({ authorization, peer: 'admin' });
    if (caller === undefined) return { status: 401, body: 'a bearer token is needed\n' };
    if (caller.namespace === parts.systemNamespace) return page(request);
    if (!isRestricted) return page(request, caller.namespace);
    return { status: 403, body: `only identities of namespace ${parts.systemNamespace} may ask\n` };
  };
}

function json(value: unknown): AdminResponse {
  return { contentType: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` };
}
