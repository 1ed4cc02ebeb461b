/** Delete options: body (JSON, YAML, protobuf) and query -> one request (spec/local-cluster.md 5). Pure but for the body. */

import { notSupported } from '../field-error.ts';
import { isObject, textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest, invalid } from '../status.ts';
import type { DeleteRequest } from '../write/delete.ts';
import { decodeObject, mediaType, parseJson, parseYaml, textOf } from './decode-body.ts';
import type { Exchange } from './exchange.ts';
import { isTrue } from './request-info.ts';

function deleteBody(bytes: Buffer, contentType: string | undefined, resource: Resource): JsonObject {
  if (bytes.length === 0) return {};
  const type = mediaType(contentType);
  const optionsOnly = { ...resource, custom: undefined };
  if (type === 'application/vnd.kubernetes.protobuf')
    return decodeObject(bytes, contentType, optionsOnly, 'DeleteOptions', 'v1').object;
  let value: unknown;
  try {
    value = type === 'application/yaml' ? parseYaml(textOf(bytes)).value : parseJson(textOf(bytes)).value;
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : ''}`);
  }
  if (!isObject(value))
    throw badRequest("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value");
  const kind = textAt(value, 'kind');
  if (kind !== '' && kind !== 'DeleteOptions') {
    throw badRequest(
      `no kind "${kind}" is registered for version "${textAt(value, 'apiVersion')}" in scheme "pkg/runtime/scheme.go:111"`,
    );
  }
  return value;
}

/** The same options as admission is told them. */
export function deleteOptionsOf(request: DeleteRequest): JsonObject {
  const { gracePeriodSeconds, propagationPolicy, orphanDependents, uid, resourceVersion } = request;
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
    ...(orphanDependents === undefined ? {} : { orphanDependents }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
  };
}

/** Delete options of body and query. */
export async function deleteRequest(exchange: Exchange, resource: Resource): Promise<DeleteRequest> {
  const body = deleteBody(await exchange.body(), exchange.header('content-type'), resource);
  const { query } = exchange;
  const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
  const grace = query.get('gracePeriodSeconds');
  const orphan = query.get('orphanDependents');
  const dryRun = [
    ...query.getAll('dryRun'),
    ...(Array.isArray(body['dryRun']) ? body['dryRun'].map(String) : []),
  ].filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All')) {
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [notSupported('dryRun', dryRun, ['All'])]);
  }
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  return {
    gracePeriodSeconds: number(body['gracePeriodSeconds']) ?? (grace === null ? undefined : Number(grace)),
    propagationPolicy: text(body['propagationPolicy']) ?? text(query.get('propagationPolicy')),
    orphanDependents:
      typeof body['orphanDependents'] === 'boolean'
        ? body['orphanDependents']
        : orphan === null
          ? undefined
          : isTrue(orphan),
    uid: text(valueAt(body, ['preconditions', 'uid'])),
    resourceVersion: text(valueAt(body, ['preconditions', 'resourceVersion'])),
    dryRun: dryRun.length > 0,
  };
}
