// Entry of @ambit/model: what the user's objects mean to proxies.
export type { ConditionResult, ObjectConditions, StatusManager } from './conditions.ts';
export type { AddressIndex } from './index/addresses.ts';
export { modelKinds, type ModelKind } from './index/objects.ts';
export { Model, type ModelDiff, type ModelProblem, type NameDiff, type ObjectChange } from './model.ts';
export { RemoteCluster } from './remote/remote-cluster.ts';
export { modelOptions, type ModelOptions, type Visibility, type VisibilityPolicy } from './options.ts';
export type { AddressResource, Resource } from './resource.ts';
export type { RouteKind, RouteParentResult, StatusResult } from './translate/status-result.ts';
