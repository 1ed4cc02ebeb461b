/** Discovery, version and OpenAPI paths (spec/local-cluster.md 2, 6). In: exchange and registry; out: an answer or false. */

import { aggregatedDiscovery, coreVersions, groupList, groupOf, resourceList } from '../discovery/aggregated.ts';
import { openApiDocument, openApiIndex } from '../discovery/open-api.ts';
import { openApiV2, openApiV2Bytes } from '../discovery/open-api-v2.ts';
import type { Registry } from '../resources/registry.ts';
import { notAcceptable, statusError } from '../status.ts';
import type { Exchange } from './exchange.ts';
import { negotiate, parseAccept } from './negotiate.ts';

/** What `/version` says; clients parse `gitVersion`. */
export const serverVersion = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.1',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: 'linux/amd64',
};

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

type Choice = 'aggregated' | 'plain';

/** Which form of discovery the first fitting clause asks for. */
function choose(header: string | undefined): Choice {
  for (const clause of parseAccept(header)) {
    const as = clause.params.get('as');
    if (clause.type === 'application/json' && as === 'APIGroupDiscoveryList') {
      if (clause.params.get('v') === 'v2' && clause.params.get('g') === 'apidiscovery.k8s.io') return 'aggregated';
    } else if (
      as === undefined &&
      (clause.type === 'application/json' || clause.type === '*/*' || clause.type === 'application/*')
    )
      return 'plain';
    else if (as === undefined && clause.type === 'application/yaml') return 'plain';
  }
  throw notAcceptable(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']);
}

async function serveAggregated(exchange: Exchange, registry: Registry, isCore: boolean): Promise<void> {
  const document = aggregatedDiscovery(registry, isCore);
  const headers = { ETag: document.etag, Vary: 'Accept', 'Cache-Control': 'public' };
  if (exchange.header('if-none-match') === document.etag) {
    exchange.prepare(headers);
    exchange.response.statusCode = 304;
    exchange.response.end();
    return;
  }
  await exchange.text(200, document.text, aggregatedType, headers);
}

async function plain(
  exchange: Exchange,
  document: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  await exchange.json(200, JSON.stringify(document), negotiate(exchange.header('accept')).format, headers);
}

/** What `/openapi/v3/api/<version>` or `/openapi/v3/apis/<group>/<version>` asks for. */
function groupVersionOf(path: string): { readonly group: string; readonly version: string } | undefined {
  const prefix = '/openapi/v3/';
  if (!path.startsWith(prefix)) return undefined;
  const [root, first, second, ...more] = path.slice(prefix.length).split('/');
  if (first === undefined || first === '' || second === '' || more.length > 0) return undefined;
  if (root === 'api') return second === undefined ? { group: '', version: first } : undefined;
  return root === 'apis' && second !== undefined ? { group: first, version: second } : undefined;
}

const v2Type = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

async function serveOpenApiV2(exchange: Exchange): Promise<void> {
  const types = parseAccept(exchange.header('accept')).map((clause) => clause.type);
  if (!types.some((type) => type.startsWith('application/com.github.proto-openapi.spec.v2')))
    return exchange.value(200, openApiV2(serverVersion.gitVersion));
  exchange.prepare({ 'Content-Type': v2Type, Vary: 'Accept' });
  exchange.response.statusCode = 200;
  exchange.response.end(openApiV2Bytes(serverVersion.gitVersion));
}

async function serveOpenApi(exchange: Exchange, registry: Registry): Promise<boolean> {
  const { path, query } = exchange;
  if (path === '/openapi/v2') {
    await serveOpenApiV2(exchange);
    return true;
  }
  if (path === '/openapi/v3' || path === '/openapi/v3/') {
    await exchange.value(200, openApiIndex(registry));
    return true;
  }
  const asked = groupVersionOf(path);
  const document = asked === undefined ? undefined : openApiDocument(registry, asked.group, asked.version);
  if (document === undefined) return false;
  const hash = query.get('hash');
  if (hash !== null && hash !== document.hash) {
    exchange.prepare({ 'Content-Type': 'application/json', Location: `${path}?hash=${document.hash}` });
    exchange.response.statusCode = 301;
    exchange.response.end();
    return true;
  }
  const accepts = parseAccept(exchange.header('accept')).some((clause) =>
    ['application/json', '*/*', 'application/*'].includes(clause.type),
  );
  if (!accepts) throw statusError(406, 'NotAcceptable', 'only application/json is served here', {});
  const cached = hash === null ? {} : { 'Cache-Control': 'public, immutable' };
  await exchange.text(200, document.text, 'application/json', {
    ETag: `"${document.hash}"`,
    Vary: 'Accept',
    ...cached,
  });
  return true;
}

/** Serves a discovery path; false when it is none. */
export async function serveDiscovery(exchange: Exchange, registry: Registry): Promise<boolean> {
  const parts = exchange.path.split('/').filter((part) => part !== '');
  const [first, group = '', version] = parts;
  if (first === 'version' && parts.length === 1) {
    await exchange.value(200, serverVersion);
    return true;
  }
  if (first === 'openapi') return serveOpenApi(exchange, registry);
  if ((first === 'api' || first === 'apis') && parts.length === 1) {
    const isCore = first === 'api';
    if (choose(exchange.header('accept')) === 'aggregated') await serveAggregated(exchange, registry, isCore);
    else
      await plain(
        exchange,
        isCore ? coreVersions(exchange.header('host') ?? '') : groupList(registry, exchange.header('host') ?? ''),
        {
          Vary: 'Accept',
        },
      );
    return true;
  }
  if (first === 'api' && parts.length === 2 && group === 'v1') {
    await plain(exchange, resourceList(registry, '', 'v1'));
    return true;
  }
  if (first !== 'apis') return false;
  const versions = registry.versionsOf(group);
  if (parts.length === 2 && versions.length > 0) {
    await plain(exchange, { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(registry, group) });
    return true;
  }
  if (parts.length === 3 && version !== undefined && versions.includes(version)) {
    await plain(exchange, resourceList(registry, group, version));
    return true;
  }
  return false;
}

/** Paths a lost client is told. */
export function discoveryPaths(registry: Registry): string[] {
  const paths = ['/api', '/api/v1', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version'];
  for (const group of registry.groups()) {
    if (group === '') continue;
    paths.push(`/apis/${group}`, ...registry.versionsOf(group).map((version) => `/apis/${group}/${version}`));
  }
  return paths.toSorted();
}
