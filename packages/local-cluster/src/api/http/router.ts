/**
 * One request from accept to answer: authenticate, authorize, route (spec/local-cluster.md 2). In: an exchange; out: an
 * answer, always. Called by the listener. Main thread.
 */

import type { Authenticator } from '../../auth/authenticate.ts';
import type { AccessAttributes, Authorizer } from '../../auth/rbac.ts';
import { tokenIssuerName } from '../../auth/token-issuer.ts';
import type { Resource } from '../resources/resource.ts';
import { forbidden, pathNotFound, statusError } from '../status.ts';
import { discoveryPaths, serveDiscovery } from './discovery.ts';
import type { Exchange } from './exchange.ts';
import { serveHealth } from './health.ts';
import { requestInfo } from './request-info.ts';
import type { RequestInfo } from './request-info.ts';
import type { ResourceServices } from './resource-request.ts';
import { serveResource } from './resources.ts';
import { serveSubresource } from './subresources.ts';
import { isStream, serveLog } from '../streams/log.ts';
import type { PodStreams } from '../pod-streams.ts';

/** What the router needs. */
export interface RouterServices extends ResourceServices {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly podStreams: () => PodStreams | undefined;
}

const open = ['/healthz', '/livez', '/readyz', '/version'];

const isOpenPath = (path: string): boolean => open.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));

function attributesOf(exchange: Exchange, info: RequestInfo | undefined): AccessAttributes {
  const nothing = { group: '', resource: '', subresource: '', namespace: '', name: '' };
  if (info === undefined) return { ...nothing, verb: exchange.method.toLowerCase(), path: exchange.path };
  return {
    verb: info.verb,
    group: info.group,
    resource: info.resource,
    subresource: info.subresource ?? '',
    namespace: info.namespace ?? (info.group === '' && info.resource === 'namespaces' ? (info.name ?? '') : ''),
    name: info.name ?? '',
    path: undefined,
  };
}

function refusal(exchange: Exchange, info: RequestInfo | undefined): Error {
  const user = JSON.stringify(exchange.user.username);
  if (info === undefined) {
    return statusError(
      403,
      'Forbidden',
      `forbidden: User ${user} cannot ${exchange.method.toLowerCase()} path ${JSON.stringify(exchange.path)}`,
      {},
    );
  }
  const full = info.subresource === undefined ? info.resource : `${info.resource}/${info.subresource}`;
  const where =
    info.namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(info.namespace)}`;
  return forbidden(
    info,
    info.name ?? '',
    `User ${user} cannot ${info.verb} resource ${JSON.stringify(full)} in API group ${JSON.stringify(info.group)} ${where}`,
  );
}

/** Throws 403 unless the user may. */
export function authorize(exchange: Exchange, info: RequestInfo | undefined, authorizer: Authorizer): void {
  if (info === undefined && isOpenPath(exchange.path)) return;
  if (!authorizer.allows(exchange.user, attributesOf(exchange, info))) throw refusal(exchange, info);
}

async function serveKeys(exchange: Exchange, services: RouterServices): Promise<void> {
  if (exchange.path === '/openid/v1/jwks') {
    await exchange.text(200, JSON.stringify(await services.reviews.issuer.jwks()), 'application/jwk-set+json');
    return;
  }
  await exchange.value(200, {
    issuer: tokenIssuerName,
    jwks_uri: `${tokenIssuerName}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
}

async function serveFound(
  exchange: Exchange,
  info: RequestInfo,
  resource: Resource,
  services: RouterServices,
): Promise<void> {
  const request = { exchange, info, resource, services };
  if (info.namespace !== undefined && !resource.namespaced) throw pathNotFound();
  if (info.subresource === undefined) return serveResource(request);
  if (info.subresource === 'log' && resource.storageName === 'pods')
    return serveLog(exchange, info, services.environment.store, services.podStreams());
  if (isStream(info.subresource) && resource.storageName === 'pods') {
    throw statusError(400, 'BadRequest', 'Upgrade request required');
  }
  return serveSubresource(request);
}

/** The resource of a request, or undefined. */
export const resourceOf = (info: RequestInfo, services: RouterServices): Resource | undefined =>
  services.environment.registry.byPath(info.group, info.version, info.resource);

/** Routes an authenticated request. */
async function route(exchange: Exchange, services: RouterServices): Promise<void> {
  const { path } = exchange;
  const info = requestInfo(exchange.method, path, exchange.query);
  authorize(exchange, info, services.authorizer);
  const isHealth = isOpenPath(path) && path !== '/version' && path !== '/version/';
  if (isHealth && (await serveHealth(exchange))) return;
  if (path === '/openid/v1/jwks' || path === '/.well-known/openid-configuration') return serveKeys(exchange, services);
  if (info === undefined) {
    if (await serveDiscovery(exchange, services.environment.registry)) return;
    if (path.startsWith('/api/') || path.startsWith('/apis/')) {
      const group = path.split('/')[2] ?? '';
      if (path.startsWith('/api/') || services.environment.registry.isBuiltinGroup(group)) throw pathNotFound();
      return exchange.pageNotFound();
    }
    if (path.startsWith('/openapi')) return exchange.pageNotFound();
    return exchange.value(404, { paths: discoveryPaths(services.environment.registry) });
  }
  const resource = resourceOf(info, services);
  if (resource !== undefined) return serveFound(exchange, info, resource, services);
  if (info.group === '' || services.environment.registry.isBuiltinGroup(info.group)) throw pathNotFound();
  await exchange.pageNotFound();
}

/** The user a request acts as: `Impersonate-User` and groups, when the real one may. */
function impersonate(exchange: Exchange, services: RouterServices): void {
  const name = exchange.header('impersonate-user');
  if (name === undefined || name === '') return;
  const groups = (exchange.header('impersonate-group') ?? '')
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  const wanted = [['users', name] as const, ...groups.map((group) => ['groups', group] as const)];
  for (const [resource, value] of wanted) {
    const attributes = {
      verb: 'impersonate',
      group: '',
      resource,
      subresource: '',
      namespace: '',
      name: value,
      path: undefined,
    };
    if (services.authorizer.allows(exchange.user, attributes)) continue;
    throw forbidden(
      { group: '', resource },
      value,
      `User ${JSON.stringify(exchange.user.username)} cannot impersonate resource ${JSON.stringify(resource)} in API group "" at the cluster scope`,
    );
  }
  exchange.user = { username: name, groups: [...groups, 'system:authenticated'] };
}

/** Authenticates a request; throws 401 for a wrong token, 403 for a forbidden impersonation. */
export async function authenticate(exchange: Exchange, services: RouterServices): Promise<void> {
  exchange.user = await services.authenticator.user(exchange.header('authorization'));
  impersonate(exchange, services);
}

/** Serves one request; never rejects. */
export async function serveRequest(exchange: Exchange, services: RouterServices): Promise<void> {
  try {
    await authenticate(exchange, services);
    await route(exchange, services);
  } catch (error) {
    await exchange.failure(error).catch(() => exchange.response.destroy());
  }
}
