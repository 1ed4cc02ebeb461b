/**
 * Stored object -> object as a version of its kind shows it: apiVersion rewritten, custom kinds pruned and defaulted
 * again for the served version. In: stored object; out: shared object (results are kept). Called by every read. Pure.
 */

import { fillDefaults } from '../definitions/fill-defaults.ts';
import { prune } from '../definitions/prune.ts';
import { equalJson } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { fromStorage } from './convert.ts';

const shown = new WeakMap<Resource, WeakMap<KubeObject, KubeObject>>();

function build(resource: Resource, stored: KubeObject): KubeObject {
  if (resource.custom === undefined) return fromStorage(resource, stored);
  const object: JsonObject = { ...(stored as unknown as JsonObject), apiVersion: resource.apiVersion };
  const pruned = prune(object, resource.custom.openApi).object;
  const filled = fillDefaults(pruned, resource.custom.openApi);
  const isSame = stored.apiVersion === resource.apiVersion && equalJson(filled, stored);
  return isSame ? stored : (filled as unknown as KubeObject);
}

/** The object in the version of the resource; the same object for the same input. */
export function present(resource: Resource, stored: KubeObject): KubeObject {
  if (resource.custom === undefined && stored.apiVersion === resource.apiVersion) return stored;
  let cache = shown.get(resource);
  if (cache === undefined) {
    cache = new WeakMap();
    shown.set(resource, cache);
  }
  let object = cache.get(stored);
  if (object === undefined) {
    object = build(resource, stored);
    cache.set(stored, object);
  }
  return object;
}
