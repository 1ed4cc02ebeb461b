/**
 * The scale subresource: an `autoscaling/v1` Scale read from and written into an object. In: object and the paths of
 * its kind; out: Scale, or the changed object. Called by HTTP and by the in-process API. Pure.
 */

import { copyJson, isObject, objectAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource, ScalePaths } from '../resources/resource.ts';
import type { KubeObject } from '../../store/kube-object.ts';

/** A label selector object as text (`a=b,c in (d,e)`). */
export function selectorText(selector: unknown): string {
  if (typeof selector === 'string') return selector;
  if (!isObject(selector)) return '';
  const labels = objectAt(selector, 'matchLabels') ?? (selector['matchExpressions'] === undefined ? selector : {});
  const terms = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  const expressions = Array.isArray(selector['matchExpressions']) ? selector['matchExpressions'] : [];
  for (const expression of expressions.filter(isObject)) {
    const key = String(expression['key']);
    const values = Array.isArray(expression['values']) ? expression['values'].join(',') : '';
    if (expression['operator'] === 'In') terms.push(`${key} in (${values})`);
    else if (expression['operator'] === 'NotIn') terms.push(`${key} notin (${values})`);
    else terms.push(expression['operator'] === 'Exists' ? key : `!${key}`);
  }
  return terms.toSorted().join(',');
}

/** The Scale of an object. */
export function scaleOf(resource: Resource, paths: ScalePaths, object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const wanted = valueAt(object, paths.specReplicas);
  const current = valueAt(object, paths.statusReplicas);
  const selector = paths.labelSelector === undefined ? '' : selectorText(valueAt(object, paths.labelSelector));
  const metadata = { name, namespace, uid, resourceVersion, creationTimestamp };
  const scale = {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined)),
    spec: typeof wanted === 'number' && (resource.custom === undefined || wanted !== 0) ? { replicas: wanted } : {},
    status: {
      replicas: typeof current === 'number' ? current : 0,
      ...(selector === '' ? {} : { selector }),
    },
  };
  return scale as unknown as KubeObject;
}

/** The object with the replicas of a Scale written in; its resourceVersion becomes the precondition. */
export function withScale(paths: ScalePaths, live: JsonObject, scale: JsonObject): JsonObject {
  const result = copyJson(live);
  const replicas = valueAt(scale, ['spec', 'replicas']);
  let parent = result;
  for (const key of paths.specReplicas.slice(0, -1)) {
    const child = isObject(parent[key]) ? parent[key] : {};
    parent[key] = child;
    parent = child;
  }
  parent[paths.specReplicas.at(-1) ?? 'replicas'] = typeof replicas === 'number' ? replicas : 0;
  const version = valueAt(scale, ['metadata', 'resourceVersion']);
  const metadata: JsonObject = { ...(isObject(result['metadata']) ? result['metadata'] : {}) };
  if (typeof version === 'string' && version !== '') metadata['resourceVersion'] = version;
  else delete metadata['resourceVersion'];
  return { ...result, metadata };
}
