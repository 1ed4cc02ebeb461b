/**
 * Requests for objects and collections (spec/local-cluster.md 2 to 5). In: exchange and its facts; out: an answer.
 * Called by the router after authentication and authorization. Main thread.
 */

import { isDigits } from '../characters.ts';
import { runAdmitted } from '../admission/session.ts';
import { answerReview } from '../../auth/reviews.ts';
import { isObject, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { listObjects, selectorOf } from '../read/list.ts';
import { parseRevision } from '../read/list-options.ts';
import { hasVerb } from '../resources/resource.ts';
import type { Resource } from '../resources/resource.ts';
import { badRequest, futureRevision, invalid, methodNotAllowed } from '../status.ts';
import { cleanBody } from '../write/clean-body.ts';
import type { WriteContext } from '../write/context.ts';
import { createObject } from '../write/create.ts';
import { deleteObject } from '../write/delete.ts';
import type { DeleteRequest, DeleteResult } from '../write/delete.ts';
import { patchObject } from '../write/patch.ts';
import { liveObject, updateObject } from '../write/update.ts';
import { decodeObject } from './decode-body.ts';
import { deleteOptionsOf, deleteRequest } from './delete-options.ts';
import { negotiate } from './negotiate.ts';
import { admissionFacts, answer, contextOf, decodePatch, patchTypeOf, targetOf } from './resource-request.ts';
import type { ResourceRequest } from './resource-request.ts';
import { listText } from './shape.ts';
import { serveWatch } from './watch.ts';

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

/** Answers with the live object. */
export async function read(request: ResourceRequest): Promise<void> {
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
  if (isDigits(asked, 15) && !exchange.query.has('sendInitialEvents')) await waitForRevision(request);
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
  const made = await runAdmitted(
    services.environment,
    admissionFacts(request, context.dryRun),
    (environment, admission) =>
      createObject(environment, resource, info.namespace, named, { ...context, admission }, options),
  );
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

/** Serves PUT. */
export async function replace(request: ResourceRequest): Promise<void> {
  const { exchange, resource, services } = request;
  const { context } = contextOf(request, 'UpdateOptions');
  const { object, duplicates } = decodeObject(await exchange.body(), exchange.header('content-type'), resource);
  const body = cleanBody(resource, object, duplicates, context);
  checkKind(resource, body);
  const target = targetOf(request);
  const replaced = await runAdmitted(
    services.environment,
    admissionFacts(request, context.dryRun),
    (environment, admission) =>
      updateObject(environment, target, { next: () => body, isReplace: true }, { ...context, admission }),
  );
  await answer(request, 200, replaced);
}

/** Serves PATCH. */
export async function patch(request: ResourceRequest): Promise<void> {
  const { exchange, services } = request;
  const type = patchTypeOf(request);
  const { context, force } = contextOf(request, 'PatchOptions', type === 'apply');
  const decoded = decodePatch(type, await exchange.body());
  const target = targetOf(request);
  const result = await runAdmitted(
    services.environment,
    admissionFacts(request, context.dryRun),
    (environment, admission) => patchObject(environment, target, { ...decoded, force }, { ...context, admission }),
  );
  await answer(request, result.created ? 201 : 200, result.object);
}

/** Deletes with admission. */
export async function deleteAdmitted(
  request: ResourceRequest,
  namespace: string | undefined,
  name: string,
  options: DeleteRequest,
): Promise<DeleteResult> {
  const facts = { ...admissionFacts(request, options.dryRun), options: deleteOptionsOf(options) };
  return runAdmitted(request.services.environment, facts, (environment, admission) =>
    deleteObject(environment, request.resource, namespace, name, options, admission),
  );
}

async function remove(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info } = request;
  const options = await deleteRequest(exchange, resource);
  const result = await deleteAdmitted(request, info.namespace, info.name ?? '', options);
  if (!result.removed || answersWithObject.has(resource.storageName)) return answer(request, 200, result.object);
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
    await deleteAdmitted(request, object.metadata.namespace, object.metadata.name ?? '', options);
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
  if (info.name === undefined) return serveCollection(request);
  switch (method) {
    case 'GET':
    case 'HEAD':
      return read(request);
    case 'PUT':
      return replace(request);
    case 'PATCH':
      return patch(request);
    case 'DELETE':
      return remove(request);
    case 'POST':
      if (resource.custom !== undefined) return create(request);
      throw methodNotAllowed();
    default:
      throw methodNotAllowed();
  }
}

async function serveCollection(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info } = request;
  const isAll = resource.namespaced && info.namespace === undefined;
  if (isAll && exchange.method !== 'GET' && exchange.method !== 'HEAD' && hasVerb(resource, 'list')) {
    if (resource.custom !== undefined) return exchange.pageNotFound();
    throw methodNotAllowed();
  }
  const isRead = exchange.method === 'GET' || exchange.method === 'HEAD';
  if (isRead && hasVerb(resource, 'list')) return list(request);
  if (exchange.method === 'POST' && hasVerb(resource, 'create')) return create(request);
  if (exchange.method === 'DELETE' && hasVerb(resource, 'deletecollection')) return removeAll(request);
  if (resource.custom !== undefined && (exchange.method === 'PUT' || exchange.method === 'PATCH'))
    throw badRequest('name must be provided');
  throw methodNotAllowed();
}
