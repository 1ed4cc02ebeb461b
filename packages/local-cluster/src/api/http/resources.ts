/**
 * Requests for resources: reads, writes, subresources (spec/local-cluster.md 2 to 7). In: exchange and its facts; out:
 * an answer. Called by the router after authentication and authorization. Main thread.
 */

import type { ReviewServices } from '../../auth/reviews.ts';
import { answerReview, answerTokenRequest } from '../../auth/reviews.ts';
import { isObject, textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { PatchType } from '../object-api.ts';
import { listObjects, selectorOf } from '../read/list.ts';
import { parseRevision } from '../read/list-options.ts';
import { hasVerb } from '../resources/resource.ts';
import type { Resource } from '../resources/resource.ts';
import {
  badRequest,
  futureRevision,
  invalid,
  methodNotAllowed,
  notFound,
  pathNotFound,
  statusError,
  unsupportedMediaType,
} from '../status.ts';
import { notSupported } from '../field-error.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { cleanBody } from '../write/clean-body.ts';
import type { WriteContext, WriteEnvironment } from '../write/context.ts';
import { createObject } from '../write/create.ts';
import { deleteObject } from '../write/delete.ts';
import type { DeleteRequest } from '../write/delete.ts';
import { patchObject } from '../write/patch.ts';
import type { PatchRequest } from '../write/patch.ts';
import { scaleOf, withScale } from '../write/scale.ts';
import { liveObject, updateObject } from '../write/update.ts';
import type { UpdateTarget } from '../write/update.ts';
import { mergePatch } from '../patch/merge-patch.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { decodeObject, mediaType, parseJson, parseYaml } from './decode-body.ts';
import type { Exchange } from './exchange.ts';
import { negotiate } from './negotiate.ts';
import { isTrue } from './request-info.ts';
import type { RequestInfo } from './request-info.ts';
import { listText, objectText } from './shape.ts';
import { serveWatch } from './watch.ts';
import { writeOptions } from './write-options.ts';

/** What handlers work with. */
export interface ResourceServices {
  readonly environment: WriteEnvironment;
  readonly reviews: ReviewServices;
  readonly closing: AbortSignal;
}

/** A request with its resource. */
export interface ResourceRequest {
  readonly exchange: Exchange;
  readonly info: RequestInfo;
  readonly resource: Resource;
  readonly services: ResourceServices;
}

const patchTypes: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
  'application/apply-patch+cbor': 'apply',
};

/** Kinds whose deletion answers with the object that went. */
const answersWithObject = new Set([
  'pods',
  'services',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
  'podtemplates',
  'replicationcontrollers',
  'resourcequotas',
]);

const futureWaitMs = 3000;

async function waitForRevision(request: ResourceRequest): Promise<void> {
  const { exchange, services } = request;
  if ((exchange.query.get('continue') ?? '') !== '') return;
  const { store } = services.environment;
  const asked = parseRevision(exchange.query.get('resourceVersion') ?? '');
  const deadline = performance.now() + futureWaitMs;
  while (asked > store.revision) {
    if (performance.now() >= deadline) throw futureRevision(asked, store.revision);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function targetOf(request: ResourceRequest, subresource = request.info.subresource): UpdateTarget {
  return { resource: request.resource, namespace: request.info.namespace, name: request.info.name ?? '', subresource };
}

async function answer(request: ResourceRequest, code: number, object: KubeObject): Promise<void> {
  const { exchange, resource, services } = request;
  const representation = negotiate(
    exchange.header('accept'),
    resource.custom === undefined ? 'builtin-object' : 'custom',
  );
  const text = objectText(object, resource, representation, exchange.query, services.environment.now());
  await exchange.json(code, text, representation.format);
}

function contextOf(request: ResourceRequest, kind: string, isApply = false): { context: WriteContext; force: boolean } {
  const { exchange } = request;
  const options = writeOptions(exchange.query, exchange.header('user-agent'), kind, isApply);
  return {
    context: {
      manager: options.manager,
      dryRun: options.dryRun,
      fieldValidation: options.fieldValidation,
      warnings: exchange.warnings,
    },
    force: options.force,
  };
}

async function read(request: ResourceRequest): Promise<void> {
  const { services } = request;
  await waitForRevision(request);
  await answer(request, 200, liveObject(services.environment, targetOf(request, undefined)));
}

async function list(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info, services } = request;
  const representation = negotiate(
    exchange.header('accept'),
    resource.custom === undefined ? 'builtin-list' : 'custom',
  );
  if (info.verb === 'watch') {
    const { store, now } = services.environment;
    await serveWatch(exchange, resource, info.namespace, representation, { store, now, closing: services.closing });
    return;
  }
  const page = await readPage(request);
  await exchange.json(
    200,
    listText(page, resource, representation, exchange.query, services.environment.now()),
    representation.format,
  );
}

async function readPage(request: ResourceRequest): Promise<ReturnType<typeof listObjects>> {
  const { exchange, resource, info, services } = request;
  const asked = exchange.query.get('resourceVersion') ?? '';
  if (/^\d{1,15}$/.test(asked) && !exchange.query.has('sendInitialEvents')) await waitForRevision(request);
  return listObjects(services.environment.store, resource, info.namespace, exchange.query);
}

async function create(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info, services } = request;
  const { context } = contextOf(request, 'CreateOptions');
  const { object, duplicates } = decodeObject(await exchange.body(), exchange.header('content-type'), resource);
  warnForeignVersion(resource, object, context);
  const body = cleanBody(resource, object, duplicates, context);
  checkKind(resource, body);
  const review = await answerReview(resource.kind, body, exchange.user, services.reviews);
  if (review !== undefined) {
    await exchange.value(201, review);
    return;
  }
  const options = info.name === undefined ? {} : { pathName: info.name };
  const named = info.name === undefined ? body : withName(body, info.name);
  const made = createObject(services.environment, resource, info.namespace, named, context, options);
  await answer(request, 201, made);
}

const withName = (body: JsonObject, name: string): JsonObject => {
  const metadata = isObject(body['metadata']) ? body['metadata'] : {};
  return { ...body, metadata: { ...metadata, name: metadata['name'] ?? name } };
};

/** A version that is not served knows no fields: each one is reported before the request is refused. */
function warnForeignVersion(resource: Resource, object: JsonObject, context: WriteContext): void {
  if (resource.custom === undefined || textAt(object, 'apiVersion') === resource.apiVersion) return;
  for (const key of Object.keys(object)) {
    if (!['apiVersion', 'kind', 'metadata'].includes(key))
      context.warnings.push(`unknown field ${JSON.stringify(key)}`);
  }
}

function checkKind(resource: Resource, body: JsonObject): void {
  if (resource.custom === undefined) return;
  const apiVersion = textAt(body, 'apiVersion');
  if (apiVersion !== resource.apiVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${resource.apiVersion})`,
    );
  }
  const kind = textAt(body, 'kind');
  if (kind !== resource.kind) {
    throw invalid({ group: resource.group, kind }, textAt(body, 'metadata', 'name'), [
      {
        reason: 'FieldValueInvalid',
        field: 'kind',
        message: `Invalid value: ${JSON.stringify(kind)}: must be ${resource.kind}`,
      },
    ]);
  }
}

async function replace(request: ResourceRequest): Promise<void> {
  const { exchange, resource, services } = request;
  const { context } = contextOf(request, 'UpdateOptions');
  const { object, duplicates } = decodeObject(await exchange.body(), exchange.header('content-type'), resource);
  const body = cleanBody(resource, object, duplicates, context);
  checkKind(resource, body);
  await answer(
    request,
    200,
    updateObject(services.environment, targetOf(request), { next: () => body, isReplace: true }, context),
  );
}

function patchTypeOf(request: ResourceRequest): PatchType {
  const { exchange, resource } = request;
  const type = patchTypes[mediaType(exchange.header('content-type'))];
  if (type !== undefined && !(type === 'strategic' && resource.custom !== undefined)) return type;
  if (type === undefined && resource.custom === undefined) {
    throw statusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  }
  throw unsupportedMediaType([
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/apply-patch+yaml',
  ]);
}

function decodePatch(type: PatchType, bytes: Buffer): PatchRequest {
  const text = bytes.toString('utf8');
  if (type === 'apply') {
    try {
      const decoded = parseYaml(text);
      return { type, patch: decoded.value, force: false, duplicates: decoded.duplicates };
    } catch (error) {
      throw badRequest(`error decoding YAML: ${error instanceof Error ? error.message : ''}`);
    }
  }
  try {
    const decoded = parseJson(text);
    return { type, patch: decoded.value, force: false, duplicates: decoded.duplicates };
  } catch (error) {
    throw badRequest(`error decoding patch: ${error instanceof Error ? error.message : ''}`);
  }
}

async function patch(request: ResourceRequest): Promise<void> {
  const { exchange, services } = request;
  const type = patchTypeOf(request);
  const { context, force } = contextOf(request, 'PatchOptions', type === 'apply');
  const decoded = decodePatch(type, await exchange.body());
  const result = patchObject(services.environment, targetOf(request), { ...decoded, force }, context);
  await answer(request, result.created ? 201 : 200, result.object);
}

function deleteBody(bytes: Buffer, contentType: string | undefined, resource: Resource): JsonObject {
  if (bytes.length === 0) return {};
  const type = mediaType(contentType);
  const optionsOnly = { ...resource, custom: undefined };
  if (type === 'application/vnd.kubernetes.protobuf')
    return decodeObject(bytes, contentType, optionsOnly, 'DeleteOptions', 'v1').object;
  let value: unknown;
  try {
    value =
      type === 'application/yaml' ? parseYaml(bytes.toString('utf8')).value : parseJson(bytes.toString('utf8')).value;
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

async function remove(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info, services } = request;
  const options = await deleteRequest(exchange, resource);
  const result = deleteObject(services.environment, resource, info.namespace, info.name ?? '', options);
  if (!result.removed || answersWithObject.has(resource.storageName)) return await answer(request, 200, result.object);
  const { name, uid } = result.object.metadata;
  await exchange.value(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.resource, uid },
  });
}

async function removeAll(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info, services } = request;
  const options = await deleteRequest(exchange, resource);
  selectorOf(resource, exchange.query);
  const representation = negotiate(exchange.header('accept'));
  const page = listObjects(services.environment.store, resource, info.namespace, exchange.query);
  for (const object of page.items) {
    deleteObject(services.environment, resource, object.metadata.namespace, object.metadata.name ?? '', options);
  }
  await exchange.json(
    200,
    listText(page, resource, representation, exchange.query, services.environment.now()),
    representation.format,
  );
}

/** Serves a request for the resource itself or its collection. */
export async function serveResource(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info } = request;
  if (resource.custom?.deprecation !== undefined) exchange.warnings.push(resource.custom.deprecation);
  const { method } = exchange;
  if (info.name === undefined) return await serveCollection(request);
  switch (method) {
    case 'GET':
    case 'HEAD':
      return await read(request);
    case 'PUT':
      return await replace(request);
    case 'PATCH':
      return await patch(request);
    case 'DELETE':
      return await remove(request);
    case 'POST':
      if (resource.custom !== undefined) return await create(request);
      throw methodNotAllowed();
    default:
      throw methodNotAllowed();
  }
}

async function serveCollection(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info } = request;
  const isAll = resource.namespaced && info.namespace === undefined;
  if (isAll && exchange.method !== 'GET' && exchange.method !== 'HEAD' && hasVerb(resource, 'list')) {
    if (resource.custom !== undefined) return await exchange.pageNotFound();
    throw methodNotAllowed();
  }
  const isRead = exchange.method === 'GET' || exchange.method === 'HEAD';
  if (isRead && hasVerb(resource, 'list')) return await list(request);
  if (exchange.method === 'POST' && hasVerb(resource, 'create')) return await create(request);
  if (exchange.method === 'DELETE' && hasVerb(resource, 'deletecollection')) return await removeAll(request);
  if (resource.custom !== undefined && (exchange.method === 'PUT' || exchange.method === 'PATCH'))
    throw badRequest('name must be provided');
  throw methodNotAllowed();
}

function scaleNext(request: ResourceRequest, live: JsonObject, change: (scale: JsonObject) => JsonObject): JsonObject {
  const { resource } = request;
  if (resource.scale === undefined) throw pathNotFound();
  const scale = scaleOf(resource, resource.scale, live as unknown as KubeObject) as unknown as JsonObject;
  const next = change(scale);
  const name = textAt(next, 'metadata', 'name');
  if (name !== '' && name !== request.info.name) {
    throw badRequest(
      `the name of the object (${name}) does not match the name on the URL (${request.info.name ?? ''})`,
    );
  }
  const replicas = valueAt(next, ['spec', 'replicas']);
  if (resource.custom === undefined && typeof replicas === 'number' && replicas < 0) {
    throw invalid({ group: 'autoscaling', kind: 'Scale' }, request.info.name ?? '', [
      {
        reason: 'FieldValueInvalid',
        field: 'spec.replicas',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
      },
    ]);
  }
  const result = withScale(resource.scale, live, next);
  const sent = textAt(change({}), 'metadata', 'resourceVersion');
  if (sent !== '') return result;
  const metadata = { ...(result['metadata'] as JsonObject) };
  delete metadata['resourceVersion'];
  return { ...result, metadata };
}

async function serveScale(request: ResourceRequest): Promise<void> {
  const { exchange, resource, services } = request;
  const paths = resource.scale;
  if (paths === undefined) throw pathNotFound();
  const target = targetOf(request, undefined);
  const respond = async (object: KubeObject): Promise<void> =>
    await exchange.value(200, scaleOf(resource, paths, object));
  if (exchange.method === 'GET') return await respond(liveObject(services.environment, target));
  const isPatch = exchange.method === 'PATCH';
  const type = isPatch ? patchTypeOf(request) : undefined;
  const { context } = contextOf(request, isPatch ? 'PatchOptions' : 'UpdateOptions', type === 'apply');
  const bytes = await exchange.body();
  const change = scaleChange(type, bytes, exchange, resource);
  const scoped = { ...context, fieldValidation: 'Ignore' as const };
  const next = (live: JsonObject): JsonObject => scaleNext(request, live, change);
  await respond(updateObject(services.environment, target, { next, isReplace: false }, scoped));
}

function scaleChange(
  type: PatchType | undefined,
  bytes: Buffer,
  exchange: Exchange,
  resource: Resource,
): (scale: JsonObject) => JsonObject {
  if (type === undefined) {
    const { object } = decodeObject(
      bytes,
      exchange.header('content-type'),
      { ...resource, custom: undefined },
      'Scale',
      'autoscaling/v1',
    );
    return () => object;
  }
  const decoded = decodePatch(type, bytes);
  if (type === 'json') return (scale) => (Object.keys(scale).length === 0 ? {} : jsonPatch(scale, decoded.patch));
  return (scale) => mergePatch(scale, decoded.patch) as JsonObject;
}

async function serveToken(request: ResourceRequest): Promise<void> {
  const { exchange, info, resource, services } = request;
  const bytes = await exchange.body();
  const { object } = decodeObject(
    bytes,
    exchange.header('content-type'),
    resource,
    'TokenRequest',
    'authentication.k8s.io/v1',
  );
  await exchange.value(201, await answerTokenRequest(object, info.namespace ?? '', info.name ?? '', services.reviews));
}

async function serveEviction(request: ResourceRequest): Promise<void> {
  const { exchange, info, resource, services } = request;
  const { object } = decodeObject(
    await exchange.body(),
    exchange.header('content-type'),
    resource,
    'Eviction',
    'policy/v1',
  );
  const grace = valueAt(object, ['deleteOptions', 'gracePeriodSeconds']);
  deleteObject(services.environment, resource, info.namespace, info.name ?? '', {
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
    propagationPolicy: undefined,
    orphanDependents: undefined,
    uid: undefined,
    resourceVersion: undefined,
    dryRun: isTrue(exchange.query.get('dryRun')),
  });
  await exchange.value(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
}

async function serveBinding(request: ResourceRequest): Promise<void> {
  const { exchange, resource, services } = request;
  const { context } = contextOf(request, 'CreateOptions');
  const { object } = decodeObject(await exchange.body(), exchange.header('content-type'), resource, 'Binding', 'v1');
  const node = textAt(object, 'target', 'name');
  const next = (live: JsonObject): JsonObject => {
    if (textAt(live, 'spec', 'nodeName') !== '')
      throw statusError(
        409,
        'Conflict',
        `pod ${request.info.name ?? ''} is already assigned to node ${JSON.stringify(textAt(live, 'spec', 'nodeName'))}`,
      );
    return { ...live, spec: { ...(live['spec'] as JsonObject), nodeName: node } };
  };
  updateObject(services.environment, targetOf(request, undefined), { next, isReplace: false }, context);
  await exchange.value(201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}

/** Serves status, scale, token, eviction, binding, finalize, approval; streams are served elsewhere. */
export async function serveSubresource(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info } = request;
  const known = resource.subresources.find((item) => item.name === info.subresource);
  if (known === undefined) {
    if (resource.custom !== undefined) return await exchange.pageNotFound();
    throw pathNotFound();
  }
  if (info.name === undefined) throw notFound(resource, '');
  switch (known.name) {
    case 'scale':
      return await serveScale(request);
    case 'token':
      return await serveToken(request);
    case 'eviction':
      return await serveEviction(request);
    case 'binding':
      return await serveBinding(request);
    default:
  }
  if (exchange.method === 'GET') return await read(request);
  if (exchange.method === 'PUT') return await replace(request);
  if (exchange.method === 'PATCH') return await patch(request);
  throw methodNotAllowed();
}
