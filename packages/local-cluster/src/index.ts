// Entry of @ambit/local-cluster: the API server and what controllers and node runtime share with it.

export { createApiServer } from './api/api-server.ts';
export type { ApiServer, ApiServerOptions } from './api/api-server.ts';
export type * from './api/object-api.ts';
export type * from './api/pod-streams.ts';
export { ApiError, isAlreadyExists, isConflict, isNotFound } from './api/status.ts';
export type { Status } from './api/status.ts';
export type { Admission, AdmissionRequest } from './api/write/context.ts';
export * from './errors.ts';
export type * from './store/kube-object.ts';
