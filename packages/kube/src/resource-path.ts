// In: a kind, a namespace, a name. Out: the path of its resource. Pure, apart from the discovery of kinds that nobody here knows.
// Called by client.ts and informer.ts.
import { kinds } from '@ambit/resources';
import type { KubeConnection } from './connection.ts';
import { isNotFound, KubeError } from './errors.ts';

/** Kind of an object as it is written in YAML. */
export interface KindRef {
  readonly apiVersion: string;
  readonly kind: string;
}

/** How a kind is addressed. */
export interface KindAddress extends KindRef {
  readonly plural: string;
  readonly namespaced: boolean;
}

const root = (apiVersion: string): string => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`);

/** Path of a collection, or of one object, or of a subresource. */
export function resourcePath(
  address: KindAddress,
  target: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string } = {},
): string {
  const { namespace, name, subresource } = target;
  return [
    root(address.apiVersion),
    ...(address.namespaced && namespace !== undefined && namespace !== ''
      ? ['namespaces', encodeURIComponent(namespace)]
      : []),
    address.plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ].join('/');
}

const known = new Map(
  Object.values(kinds).flatMap((info) =>
    [info.version, ...info.otherVersions].map((version) => {
      const apiVersion = info.group === '' ? version : `${info.group}/${version}`;
      return [
        `${apiVersion} ${info.kind}`,
        { apiVersion, kind: info.kind, plural: info.plural, namespaced: info.namespaced },
      ] as const;
    }),
  ),
);

interface DiscoveredResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Looks kinds up: in the table of kinds, else by asking the server once per group and version. */
export class KindAddresses {
  readonly #connection: KubeConnection;
  readonly #discovered = new Map<string, readonly DiscoveredResource[]>();

  constructor(connection: KubeConnection) {
    this.#connection = connection;
  }

  /** Rejects with ERR_KUBE_UNKNOWN_KIND when the server does not know the kind either. */
  async find({ apiVersion, kind }: KindRef): Promise<KindAddress> {
    const listed = known.get(`${apiVersion} ${kind}`);
    if (listed !== undefined) return listed;
    let resource = this.#discovered.get(apiVersion)?.find((candidate) => candidate.kind === kind);
    if (resource === undefined) {
      const resources = await this.#discover(apiVersion);
      this.#discovered.set(apiVersion, resources);
      resource = resources.find((candidate) => candidate.kind === kind);
    }
    if (resource !== undefined) return { apiVersion, kind, plural: resource.name, namespaced: resource.namespaced };
    throw new KubeError('ERR_KUBE_UNKNOWN_KIND', `the server knows no kind ${kind} in ${apiVersion}`, {
      status: 404,
      hint: 'kubectl api-resources',
    });
  }

  async #discover(apiVersion: string): Promise<readonly DiscoveredResource[]> {
    try {
      const list = (await this.#connection.json({ method: 'GET', path: root(apiVersion) })) as {
        resources?: readonly DiscoveredResource[];
      };
      return (list.resources ?? []).filter(({ name }) => !name.includes('/'));
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }
}
