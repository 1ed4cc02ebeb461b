/**
 * Lists: newest state, exact revisions, pages (spec/local-cluster.md 4.2). In: resource and query; out: objects with the
 * facts of the list's metadata. Called by GET on collections and by deletecollection. Main thread.
 */

import { compareKeys, keyOf } from '../../store/object-key.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest, expired } from '../status.ts';
import { present } from '../write/present.ts';
import { decodeToken, encodeToken } from './continue-token.ts';
import { parseFieldSelector } from './field-selector.ts';
import { parseLabelSelector } from './label-selector.ts';
import { checkListOptions } from './list-options.ts';

/** One page. */
export interface ListPage {
  readonly items: readonly KubeObject[];
  readonly revision: number;
  readonly continueToken: string;
  readonly remaining: number | undefined;
}

/** Which objects a query selects. */
export interface Selector {
  readonly test: (object: KubeObject) => boolean;
  readonly isNarrow: boolean;
}

const tooOldToken =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/** The selectors of a query. */
export function selectorOf(resource: Resource, query: URLSearchParams): Selector {
  const labelText = query.get('labelSelector') ?? '';
  const fieldText = query.get('fieldSelector') ?? '';
  const labels = labelText === '' ? undefined : parseLabelSelector(labelText);
  const fields = fieldText === '' ? undefined : parseFieldSelector(fieldText, resource);
  return {
    test: (object) =>
      (labels === undefined || labels(object.metadata.labels)) && (fields === undefined || fields(object)),
    isNarrow: labels !== undefined || fields !== undefined,
  };
}

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? 0);
  return Number.isInteger(limit) && limit > 0 ? limit : 0;
}

/** Reads one page; throws `ApiError`. */
export function listObjects(
  store: ObjectStore,
  resource: Resource,
  namespace: string | undefined,
  query: URLSearchParams,
): ListPage {
  const selector = selectorOf(resource, query);
  const token = query.get('continue') ?? '';
  const asked = query.get('resourceVersion') ?? '';
  const { exact } = checkListOptions(store, query);
  let revision = exact ?? store.revision;
  let after: string | undefined;
  if (token !== '') {
    if (asked !== '' && asked !== '0')
      throw badRequest('specifying resource version is not allowed when using continue');
    const page = decodeToken(token);
    after = page.after;
    revision = page.revision === -1 ? store.revision : page.revision;
  }
  const stored = store.listAt(resource.storageName, revision, namespace);
  if (stored === undefined) {
    if (after === undefined) throw expired('The resourceVersion for the provided list is too old.');
    throw expired(tooOldToken, encodeToken({ revision: -1, after }));
  }
  const from = after;
  const objects = (from === undefined ? stored : stored.filter((object) => compareKeys(keyOf(object), from) > 0))
    .map((object) => present(resource, object))
    .filter(selector.test);
  const limit = asked === '0' && token === '' ? 0 : limitOf(query);
  return pageOf(objects, limit, revision, selector.isNarrow);
}

function pageOf(objects: readonly KubeObject[], limit: number, revision: number, isNarrow: boolean): ListPage {
  const last = objects[limit - 1];
  if (limit === 0 || objects.length <= limit || last === undefined) {
    return { items: objects, revision, continueToken: '', remaining: undefined };
  }
  return {
    items: objects.slice(0, limit),
    revision,
    continueToken: encodeToken({ revision, after: keyOf(last) }),
    remaining: isNarrow ? undefined : objects.length - limit,
  };
}
