// Paths of the Kubernetes API. Pure.
import { apiVersionOf, type KindName, kindTable } from '@ambit/resources/kind-table';

/** Path of a collection or, with a name, of one object. Names are escaped. */
export function apiPath(kind: KindName, namespace: string | undefined, name?: string, subresource?: string): string {
  const info = kindTable[kind];
  const root = info.group === '' ? `/api/${info.version}` : `/apis/${apiVersionOf(info)}`;
  const scope =
    info.namespaced && namespace !== undefined && namespace !== ''
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : '';
  const tail = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${scope}/${info.plural}${tail}${subresource === undefined ? '' : `/${subresource}`}`;
}

/** A query string with its question mark; undefined values are left out. */
export function query(parameters: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}
