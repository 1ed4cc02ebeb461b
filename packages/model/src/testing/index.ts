// Test help of @ambit/model: a model filled with objects.
import type { KubernetesObject } from '@ambit/resources';
import { Model, type ModelOptions, modelOptions } from '../index.ts';

/** A model that knows the given objects. */
export function testModel(objects: readonly KubernetesObject[], options: Partial<ModelOptions> = {}): Model {
  const model = new Model(modelOptions(options));
  model.apply(objects.map((object) => ({ type: 'upsert', object })));
  return model;
}
