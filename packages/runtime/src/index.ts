// The whole package under one name; prefer the subpaths (`@ambit/runtime/log`), which load less.
export * from './admin.ts';
export * from './background.ts';
export * from './backoff.ts';
export * from './clock.ts';
export * from './drain.ts';
export * from './env.ts';
export * from './errors.ts';
export * from './lifecycle.ts';
export * from './line-writer.ts';
export * from './log.ts';
export * from './log-format.ts';
export * from './metrics.ts';
export * from './read-at-most.ts';
export * from './readiness.ts';
export * from './redact.ts';
