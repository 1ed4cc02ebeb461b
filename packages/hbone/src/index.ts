// The public face of @ambit/hbone.
export * from './authority.ts';
export * from './baggage.ts';
export * from './byte-engine.ts';
export * from './double.ts';
export * from './errors.ts';
export * from './forwarded.ts';
export * from './pool.ts';
export * from './server.ts';
export * from './traceparent.ts';
export * from './tunnel.ts';
