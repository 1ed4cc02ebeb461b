/**
 * The few builtin kinds that are served in a second shape over the same rows: events.k8s.io/v1 over v1 events, and
 * autoscaling/v1 over v2. In: object in one version; out: in the other. Pure.
 */

import { isObject, listAt, valueAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import type { KubeObject } from '../../store/kube-object.ts';

/** events.k8s.io name -> core name. */
const eventNames: readonly (readonly [string, string])[] = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];

function rename(object: JsonObject, names: readonly (readonly [string, string])[], apiVersion: string): JsonObject {
  const result: JsonObject = { ...object, apiVersion };
  for (const [from, to] of names) {
    if (object[from] === undefined) continue;
    delete result[from];
    result[to] = object[from];
  }
  return result;
}

const inverted = eventNames.map(([a, b]) => [b, a] as const);

function scalerToV1(object: JsonObject): JsonObject {
  const metric = listAt(object, 'spec', 'metrics').find((item) => valueAt(item, ['resource', 'name']) === 'cpu');
  const { metrics: _metrics, behavior: _behavior, ...spec } = isObject(object['spec']) ? object['spec'] : {};
  const target = valueAt(metric, ['resource', 'target', 'averageUtilization']);
  const {
    currentMetrics: _current,
    conditions: _conditions,
    ...status
  } = isObject(object['status']) ? object['status'] : {};
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    spec: { ...spec, ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }) },
    status,
  };
}

function scalerToV2(object: JsonObject): JsonObject {
  const { targetCPUUtilizationPercentage: target, ...spec } = isObject(object['spec']) ? object['spec'] : {};
  const metrics =
    target === undefined
      ? undefined
      : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } } }];
  return { ...object, apiVersion: 'autoscaling/v2', spec: { ...spec, ...(metrics === undefined ? {} : { metrics }) } };
}

/** Stored form -> served form. */
export function fromStorage(resource: Resource, stored: KubeObject): KubeObject {
  const object = stored as unknown as JsonObject;
  if (resource.storageName === 'events') return rename(object, inverted, resource.apiVersion) as unknown as KubeObject;
  if (resource.apiVersion === 'autoscaling/v1') return scalerToV1(object) as unknown as KubeObject;
  return { ...stored, apiVersion: resource.apiVersion };
}

/** Served form -> stored form. */
export function toStorage(resource: Resource, object: JsonObject): JsonObject {
  if (resource.apiVersion === resource.storageVersion) return object;
  if (resource.storageName === 'events') return rename(object, eventNames, 'v1');
  if (resource.apiVersion === 'autoscaling/v1') return scalerToV2(object);
  return { ...object, apiVersion: resource.storageVersion };
}
