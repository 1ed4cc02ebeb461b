/**
 * Path and method -> what is asked for: resource, name, subresource, verb. In: an exchange's path; out: facts for
 * authorization and routing. Pure.
 */

/** A request for a resource. */
export interface RequestInfo {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly resource: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** RBAC verb. */
  readonly verb: string;
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const itemVerbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
  POST: 'create',
};
const collectionVerbs: Readonly<Record<string, string>> = {
  POST: 'create',
  DELETE: 'deletecollection',
  PUT: 'update',
  PATCH: 'patch',
};

/** True for `1`, `true` and the like in a query. */
export const isTrue = (value: string | null): boolean =>
  value !== null && value !== '' && value !== '0' && value.toLowerCase() !== 'false';

/** The request's facts; undefined for paths that name no resource. */
export function requestInfo(method: string, path: string, query: URLSearchParams): RequestInfo | undefined {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  let rest: string[];
  let group = '';
  let version: string | undefined;
  if (parts[0] === 'api') {
    version = parts[1];
    rest = parts.slice(2);
  } else if (parts[0] === 'apis') {
    group = parts[1] ?? '';
    version = parts[2];
    rest = parts.slice(3);
  } else return undefined;
  if (version === undefined || rest.length === 0) return undefined;
  let namespace: string | undefined;
  if (
    rest[0] === 'namespaces' &&
    rest.length > 2 &&
    !(group === '' && (rest[2] === 'status' || rest[2] === 'finalize') && rest.length === 3)
  ) {
    namespace = rest[1];
    rest = rest.slice(2);
  }
  const [resource = '', name, ...sub] = rest;
  const subresource = sub.length === 0 ? undefined : sub.join('/');
  const isWatch = isTrue(query.get('watch'));
  const verb =
    name === undefined
      ? (collectionVerbs[method] ?? (isWatch ? 'watch' : 'list'))
      : (itemVerbs[method] ?? method.toLowerCase());
  return { group, version, namespace, resource, name, subresource, verb };
}
