/**
 * Objects and lists -> JSON text in the asked shape: plain, Table, metadata only. In: objects, resource,
 * representation; out: text. Called by every answer and watch event. Pure.
 */

import { jsonText } from '../../store/object-store.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { ListPage } from '../read/list.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest, statusError } from '../status.ts';
import { printerOf } from '../tables/columns.ts';
import type { Representation } from './negotiate.ts';

/** What a Table row carries of its object. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** Reads `includeObject`; throws 400. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '' || value === 'Metadata') return 'Metadata';
  if (value === 'None' || value === 'Object') return value;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

const metaVersion = (representation: Representation): string => `meta.k8s.io/${representation.version}`;

function partial(object: KubeObject, representation: Representation): string {
  return JSON.stringify({
    kind: 'PartialObjectMetadata',
    apiVersion: metaVersion(representation),
    metadata: object.metadata,
  });
}

/** A Table of objects. `withColumns` false for later events of a watch. */
export function tableText(
  objects: readonly KubeObject[],
  resource: Resource,
  representation: Representation,
  metadata: object,
  include: IncludeObject,
  nowMs: number,
  withColumns = true,
): string {
  const printer = printerOf(resource);
  const rows = objects.map((object) => {
    const carried =
      include === 'Object' ? jsonText(object) : include === 'None' ? undefined : partial(object, representation);
    return `{"cells":${JSON.stringify(printer.cells(object, nowMs))},"object":${carried ?? 'null'}}`;
  });
  const columns = withColumns ? JSON.stringify(printer.columns) : 'null';
  return (
    `{"kind":"Table","apiVersion":"${metaVersion(representation)}","metadata":${JSON.stringify(metadata)},` +
    `"columnDefinitions":${columns},"rows":[${rows.join(',')}]}`
  );
}

const notAList = (as: string, isList: boolean, custom: boolean): Error => {
  const found = isList
    ? custom
      ? '*unstructured.UnstructuredList'
      : 'list'
    : custom
      ? '*unstructured.Unstructured'
      : 'object';
  return statusError(
    406,
    'NotAcceptable',
    isList
      ? `you requested ${as}, but the requested object is a list (${found})`
      : `you requested ${as}, but the requested object is not a list (${found})`,
  );
};

/** One object in the asked shape. */
export function objectText(
  object: KubeObject,
  resource: Resource,
  representation: Representation,
  query: URLSearchParams,
  nowMs: number,
): string {
  if (representation.as === undefined) return jsonText(object);
  if (representation.as === 'PartialObjectMetadataList')
    throw notAList('PartialObjectMetadataList', false, resource.custom !== undefined);
  if (representation.as === 'PartialObjectMetadata') return partial(object, representation);
  const metadata = { resourceVersion: object.metadata.resourceVersion };
  return tableText([object], resource, representation, metadata, includeObjectOf(query), nowMs);
}

/** A list in the asked shape. */
export function listText(
  page: ListPage,
  resource: Resource,
  representation: Representation,
  query: URLSearchParams,
  nowMs: number,
): string {
  const base = {
    resourceVersion: String(page.revision),
    ...(page.continueToken === '' ? {} : { continue: page.continueToken }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  if (representation.as === 'Table')
    return tableText(page.items, resource, representation, base, includeObjectOf(query), nowMs);
  if (representation.as === 'PartialObjectMetadata')
    throw notAList('PartialObjectMetadata', true, resource.custom !== undefined);
  if (representation.as === 'PartialObjectMetadataList') {
    const items = page.items.map((object) => partial(object, representation));
    return `{"kind":"PartialObjectMetadataList","apiVersion":"${metaVersion(representation)}","metadata":${JSON.stringify(base)},"items":[${items.join(',')}]}`;
  }
  // Custom kinds always show the token, builtin ones only when there is a next page.
  const metadata = resource.custom === undefined ? base : { continue: '', ...base };
  const items = page.items.map(jsonText);
  return `{"kind":"${resource.listKind}","apiVersion":"${resource.apiVersion}","metadata":${JSON.stringify(metadata)},"items":[${items.join(',')}]}`;
}
