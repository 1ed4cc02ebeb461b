/** The first step of deleting a definition: finalizer and condition. Called by delete. Pure. */

import { isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';

/** Holds a definition until its instances are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** True for the resource of definitions themselves. */
export const isDefinition = (resource: Resource): boolean =>
  resource.storageName === 'customresourcedefinitions.apiextensions.k8s.io';

/** The definition with a condition set or replaced. */
export function withCondition(definition: JsonObject, condition: JsonObject): JsonObject {
  const status = isObject(definition['status']) ? definition['status'] : {};
  const others = listAt(status, 'conditions').filter((item) => isObject(item) && item['type'] !== condition['type']);
  return { ...definition, status: { ...status, conditions: [...others, condition] } };
}

/** A marked definition with its finalizer and the condition Terminating. */
export function beginDefinitionDeletion(definition: JsonObject, time: string): JsonObject {
  const metadata: JsonObject = { ...(definition['metadata'] as JsonObject) };
  delete metadata['deletionGracePeriodSeconds'];
  if (typeof metadata['generation'] === 'number') metadata['generation'] -= 1;
  metadata['finalizers'] = [...new Set([...listAt(metadata, 'finalizers'), cleanupFinalizer])];
  return withCondition(
    { ...definition, metadata },
    {
      type: 'Terminating',
      status: 'True',
      lastTransitionTime: time,
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    },
  );
}
