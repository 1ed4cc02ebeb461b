/** JSON Merge Patch (RFC 7386): null deletes, objects merge, everything else replaces. Pure. */

import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';

/** The target with the patch applied; neither is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}
