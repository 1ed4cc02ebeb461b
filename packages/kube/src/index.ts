// Entry of @ambit/kube: how the mesh talks to the Kubernetes API.
export * from './access.ts';
export * from './client.ts';
export { KubeError, type KubeErrorCode } from './errors.ts';
export * from './informer.ts';
export * from './leader-election.ts';
export type { LeaderLockKind } from './leader-lock.ts';
export { askPod, openPodPort, type PodHttpRequest, type PodPort } from './pod-port.ts';
export { clusterNameOf, remoteAccess } from './remote-access.ts';
export { createRestClient, type IssuedToken, type RestClient, type TokenRequest } from './rest-client.ts';
export type { ApiAccess } from './transport.ts';
