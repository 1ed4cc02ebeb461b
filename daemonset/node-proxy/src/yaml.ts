/**
 * The YAML library, loaded when the first text is to be read: most starts read none, and its seventy files cost more
 * than any other part of a start. Called by `config.ts` and `updates/local-file.ts`.
 */
import { createRequire } from 'node:module';

/** The library; loads it with the first call. */
export function yaml(): typeof import('yaml') {
  return createRequire(import.meta.url)('yaml') as typeof import('yaml');
}
