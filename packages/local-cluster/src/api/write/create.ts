/**
 * Create: a clean body -> a stored object (spec/local-cluster.md 5). Called by POST, by apply of a missing object and
 * by the in-process API. Main thread; nothing awaits between check and store.
 */

import type { AdmissionTarget } from '../admission/target.ts';
import { trackUpdate } from '../apply/managed-fields.ts';
import { isObject, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { alreadyExists, badRequest, forbidden, internalError, statusError } from '../status.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { timeText } from './context.ts';
import type { WriteContext, WriteEnvironment } from './context.ts';
import { toStorage } from './convert.ts';
import { createMetadata, metadataWarnings } from './metadata.ts';
import { cleanObject } from './fields.ts';
import { checkNamespace } from './namespaces.ts';
import { admit, asKubeObject, validateObject, withDefaults } from './prepare.ts';
import { present } from './present.ts';

const nameTries = 8;

function checkBody(
  resource: Resource,
  namespace: string | undefined,
  metadata: JsonObject,
  pathName: string | undefined,
): void {
  const sent = metadata['namespace'];
  if (resource.namespaced && typeof sent === 'string' && sent !== '' && sent !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (!resource.namespaced && typeof sent === 'string' && sent !== '') {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (
    pathName !== undefined &&
    typeof metadata['name'] === 'string' &&
    metadata['name'] !== '' &&
    metadata['name'] !== pathName
  ) {
    throw badRequest(
      `the name of the object (${String(metadata['name'])}) does not match the name on the URL (${pathName})`,
    );
  }
}

function existing(
  environment: WriteEnvironment,
  resource: Resource,
  namespace: string | undefined,
  name: string,
): void {
  const found = environment.store.get(resource.storageName, namespace ?? '', name);
  if (found === undefined) return;
  const error = alreadyExists(resource, name);
  if (found.metadata.deletionTimestamp === undefined) throw error;
  throw statusError(409, 'AlreadyExists', `object is being deleted: ${error.message}`, error.status.details);
}

/** Options beside the common ones. */
export interface CreateOptions {
  /** The name on the path of a POST to an item (custom kinds). */
  readonly pathName?: string;
  /** Apply: ownership is already in the object, and a resourceVersion is not an error. */
  readonly applied?: boolean;
}

/** Creates an object; throws `ApiError`. */
export function createObject(
  environment: WriteEnvironment,
  resource: Resource,
  namespace: string | undefined,
  body: JsonObject,
  context: WriteContext,
  options: CreateOptions = {},
): KubeObject {
  const sent = isObject(body['metadata']) ? body['metadata'] : {};
  checkBody(resource, namespace, sent, options.pathName);
  if (resource.custom?.terminating === true) {
    const name = options.pathName ?? shown(sent['name'] ?? '');
    throw forbidden(resource, name, 'create not allowed while custom resource definition is terminating');
  }
  if (namespace !== undefined) checkNamespace(environment.store, resource, namespace, shown(sent['name'] ?? ''));
  for (let attempt = 1; ; attempt++) {
    const time = timeText(environment.now());
    const make = (): JsonObject => createMetadata(resource, sent, namespace, time);
    const metadata = context.admission?.remember(`metadata ${attempt}`, make) ?? make();
    const name = shown(metadata['name'] ?? '');
    const generated = metadata['generateName'] !== undefined && (sent['name'] === undefined || sent['name'] === '');
    const isTaken = environment.store.get(resource.storageName, namespace ?? '', name) !== undefined;
    if (generated && isTaken && attempt < nameTries) continue;
    return storeNew(environment, resource, { ...body, metadata }, context, options);
  }
}

function storeNew(
  environment: WriteEnvironment,
  resource: Resource,
  body: JsonObject,
  context: WriteContext,
  options: CreateOptions,
): KubeObject {
  const metadata = body['metadata'] as JsonObject;
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : undefined;
  const name = shown(metadata['name'] ?? '');
  let object: JsonObject = { ...body };
  if (resource.hasStatus) delete object['status'];
  object = withDefaults(resource, object, undefined);
  const target = { resource, namespace, name, subresource: undefined, operation: 'CREATE' } as const;
  const isMutated = context.admission?.isMutated(target, object, null) === true;
  if (isMutated) object = mutateNew(environment, target, object, context, options);
  validateObject(resource, object, undefined);
  context.warnings.push(...metadataWarnings(object, undefined));
  const version = metadata['resourceVersion'];
  if (options.applied !== true && version !== undefined && version !== '' && version !== '0') {
    throw internalError('resourceVersion should not be set on objects to be created');
  }
  existing(environment, resource, namespace, name);
  const tracked = options.applied === true || isMutated ? object : track(environment, resource, object, context);
  const final = { ...(tracked['metadata'] as JsonObject) };
  delete final['resourceVersion'];
  context.admission?.validate(target, { ...tracked, metadata: final }, null);
  const complete = admit(environment, {
    resource: resource.storageName,
    operation: 'CREATE',
    subresource: undefined,
    object: asKubeObject({ ...tracked, metadata: final }),
    previous: undefined,
    user: context.user,
    dryRun: context.dryRun,
  });
  const stored = asKubeObject(toStorage(resource, complete));
  if (context.dryRun) return asKubeObject(complete);
  return present(resource, environment.store.put(resource.storageName, stored));
}

/** Asks the mutating webhooks. Fields are owned as they were sent; webhooks see no system fields yet. */
function mutateNew(
  environment: WriteEnvironment,
  target: AdmissionTarget,
  object: JsonObject,
  context: WriteContext,
  options: CreateOptions,
): JsonObject {
  const { resource } = target;
  const tracked = options.applied === true ? object : track(environment, resource, object, context);
  const { uid, creationTimestamp, generation, ...seen } = tracked['metadata'] as JsonObject;
  const mutated = context.admission?.mutate(target, { ...tracked, metadata: seen }, null) ?? tracked;
  const metadata = isObject(mutated['metadata']) ? mutated['metadata'] : seen;
  const system = { uid, creationTimestamp, ...(generation === undefined ? {} : { generation }) };
  const { name, namespace } = seen;
  const kept = { name, ...(namespace === undefined ? {} : { namespace }) };
  const cleaned = cleanObject({ ...mutated, metadata: { ...metadata, ...system, ...kept } }, resource).object;
  return withDefaults(resource, cleaned, undefined);
}

const track = (
  environment: WriteEnvironment,
  resource: Resource,
  object: JsonObject,
  context: WriteContext,
): JsonObject =>
  trackUpdate({
    schema: resource.schema,
    hasStatus: false,
    live: undefined,
    next: object,
    writer: {
      manager: context.manager,
      subresource: undefined,
      apiVersion: resource.apiVersion,
      time: timeText(environment.now()),
    },
  });
