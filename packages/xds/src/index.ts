// The client; the server is `@ambit/xds/server`.
export * from './errors.ts';
export * from './resource-type.ts';
export * from './client/client.ts';
export { type CredentialsSource, type StreamCredentials, fileCredentials } from './client/credentials.ts';
export type { DemandResult, SubscriptionMode } from './client/subscription.ts';
