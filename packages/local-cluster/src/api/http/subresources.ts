/**
 * Subresources that are not streams: status, scale, token, eviction, binding, finalize, approval (spec/local-cluster.md
 * 7). In: exchange and its facts; out: an answer. Called by the router. Main thread.
 */

import { answerTokenRequest } from '../../auth/reviews.ts';
import { textAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { PatchType } from '../object-api.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { mergePatch } from '../patch/merge-patch.ts';
import type { Resource, ScalePaths } from '../resources/resource.ts';
import {
  badRequest,
  invalid,
  methodNotAllowed,
  notFound,
  pathNotFound,
  qualifiedResource,
  statusError,
} from '../status.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { patchObject } from '../write/patch.ts';
import { scaleOf, withScale } from '../write/scale.ts';
import { liveObject, updateObject } from '../write/update.ts';
import { decodeObject } from './decode-body.ts';
import type { Exchange } from './exchange.ts';
import { serveEviction } from './eviction.ts';
import { contextOf, decodePatch, patchTypeOf, targetOf } from './resource-request.ts';
import type { ResourceRequest } from './resource-request.ts';
import { patch, read, replace } from './resources.ts';

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

/** An applied Scale as a configuration of the object itself: nothing but the replicas. */
function replicasOnly({ resource, info }: ResourceRequest, paths: ScalePaths, applied: unknown): JsonObject {
  const replicas = valueAt(applied, ['spec', 'replicas']);
  const base = { apiVersion: resource.apiVersion, kind: resource.kind, metadata: { name: info.name } };
  const nested = paths.specReplicas.reduceRight<unknown>((inner, key) => ({ [key]: inner }), replicas ?? 0);
  return { ...base, ...(nested as JsonObject) };
}

async function serveScale(request: ResourceRequest): Promise<void> {
  const { exchange, resource, services } = request;
  const paths = resource.scale;
  if (paths === undefined) throw pathNotFound();
  const target = targetOf(request, 'scale');
  const respond = async (object: KubeObject): Promise<void> => exchange.value(200, scaleOf(resource, paths, object));
  if (exchange.method === 'GET') return respond(liveObject(services.environment, target));
  const isPatch = exchange.method === 'PATCH';
  const type = isPatch ? patchTypeOf(request) : undefined;
  const { context, force } = contextOf(request, isPatch ? 'PatchOptions' : 'UpdateOptions', type === 'apply');
  const bytes = await exchange.body();
  const scoped = { ...context, fieldValidation: 'Ignore' as const };
  if (type === 'apply') {
    const applied = replicasOnly(request, paths, decodePatch(type, bytes).patch);
    const { object } = patchObject(services.environment, target, { type, patch: applied, force }, scoped);
    return respond(object);
  }
  const change = scaleChange(type, bytes, exchange, resource);
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

const unsupportedVerb = ({ info, resource }: ResourceRequest): Error =>
  statusError(
    405,
    'MethodNotAllowed',
    `${info.verb} is not supported on resources of kind "${qualifiedResource(resource)}"`,
    {
      group: resource.group,
      kind: resource.resource,
    },
  );

/** Serves status, scale, token, eviction, binding, finalize, approval; streams are served elsewhere. */
export async function serveSubresource(request: ResourceRequest): Promise<void> {
  const { exchange, resource, info } = request;
  const known = resource.subresources.find((item) => item.name === info.subresource);
  if (known === undefined) {
    if (resource.custom !== undefined) throw notFound(resource, info.name ?? '');
    throw pathNotFound();
  }
  if (info.name === undefined) throw notFound(resource, '');
  switch (known.name) {
    case 'scale':
      return serveScale(request);
    case 'token':
      return serveToken(request);
    case 'eviction':
      return serveEviction(request);
    case 'binding':
      return serveBinding(request);
    default:
  }
  if (exchange.method === 'GET') return read(request);
  if (exchange.method === 'PUT') return replace(request);
  if (exchange.method === 'PATCH') return patch(request);
  if (resource.custom !== undefined) throw unsupportedVerb(request);
  throw methodNotAllowed();
}
