/** Aggregated discovery v2 and plain discovery documents (spec/local-cluster.md 6). In: registry; out: documents. Pure. */

import { createHash } from 'node:crypto';
import type { Registry } from '../resources/registry.ts';
import type { Resource } from '../resources/resource.ts';

const kindOf = (resource: { group?: string; version?: string; kind: string }): object => ({
  group: resource.group ?? '',
  version: resource.version ?? '',
  kind: resource.kind,
});

function resourceDiscovery(resource: Resource): object {
  return {
    resource: resource.resource,
    // Builtin kinds leave out what the place already says, as the library does.
    responseKind: kindOf(resource.custom === undefined ? { kind: resource.kind } : resource),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.custom === undefined ? resource.verbs : [...resource.verbs],
    ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
    ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
    ...(resource.subresources.length === 0
      ? {}
      : {
          subresources: resource.subresources.map((item) => ({
            subresource: item.name,
            responseKind: kindOf(
              item.group === undefined && resource.custom !== undefined ? { ...resource, kind: item.kind } : item,
            ),
            verbs: item.verbs,
          })),
        }),
  };
}

function groupDiscovery(registry: Registry, group: string): object {
  return {
    metadata: group === '' ? {} : { name: group },
    versions: registry.versionsOf(group).map((version) => ({
      version,
      resources: registry.inVersion(group, version).map(resourceDiscovery),
      freshness: 'Current',
    })),
  };
}

/** A document with its ETag. */
export interface DiscoveryDocument {
  readonly text: string;
  readonly etag: string;
}

const cache = new WeakMap<Registry, { generation: number; core: DiscoveryDocument; groups: DiscoveryDocument }>();

function documentOf(items: readonly object[]): DiscoveryDocument {
  const text = JSON.stringify({
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items,
  });
  return { text, etag: `"${createHash('sha512').update(text).digest('hex').toUpperCase()}"` };
}

/** The aggregated document of `/api` (core) or `/apis`. */
export function aggregatedDiscovery(registry: Registry, isCore: boolean): DiscoveryDocument {
  let known = cache.get(registry);
  if (known === undefined || known.generation !== registry.generation) {
    known = {
      generation: registry.generation,
      core: documentOf([groupDiscovery(registry, '')]),
      groups: documentOf(
        registry
          .groups()
          .filter((group) => group !== '')
          .map((group) => groupDiscovery(registry, group)),
      ),
    };
    cache.set(registry, known);
  }
  return isCore ? known.core : known.groups;
}

const groupVersion = (group: string, version: string): object => ({
  groupVersion: group === '' ? version : `${group}/${version}`,
  version,
});

/** The plain document of one group, without kind and apiVersion. */
export function groupOf(registry: Registry, group: string): object {
  const versions = registry.versionsOf(group);
  return {
    name: group,
    versions: versions.map((version) => groupVersion(group, version)),
    preferredVersion: groupVersion(group, versions[0] ?? ''),
  };
}

const addresses = (address: string): object[] => [{ clientCIDR: '0.0.0.0/0', serverAddress: address }];

/** `/apis`. */
export const groupList = (registry: Registry, address: string): object => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: registry
    .groups()
    .filter((group) => group !== '')
    .map((group) => ({
      ...groupOf(registry, group),
      ...(registry.isBuiltinGroup(group) ? { serverAddressByClientCIDRs: addresses(address) } : {}),
    })),
});

/** `/api`. */
export const coreVersions = (address: string): object => ({
  kind: 'APIVersions',
  versions: ['v1'],
  serverAddressByClientCIDRs: addresses(address),
});

/** `/api/v1` and `/apis/<group>/<version>`. */
export function resourceList(registry: Registry, group: string, version: string): object {
  const resources = registry.inVersion(group, version).flatMap((resource) => [
    {
      name: resource.resource,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: resource.verbs,
      ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
      ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
      ...(resource.verbs.includes('list') ? { storageVersionHash: storageHash(resource) } : {}),
    },
    ...resource.subresources.map((item) => ({
      name: `${resource.resource}/${item.name}`,
      singularName: '',
      namespaced: resource.namespaced,
      ...(item.group === undefined ? {} : { group: item.group, version: item.version }),
      kind: item.kind,
      verbs: item.verbs,
    })),
  ]);
  return {
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources,
  };
}

const storageHash = (resource: Resource): string =>
  createHash('sha256').update(`${resource.storageVersion}/${resource.kind}`).digest().subarray(0, 8).toString('base64');
