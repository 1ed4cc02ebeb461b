export * from './endpoint.ts';
export * from './region.ts';
export * from './socket-domain.ts';
export * from './errors.ts';
export * from './listener.ts';
export * from './tls-context.ts';
