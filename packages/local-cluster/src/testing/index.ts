// Test doubles of this package.
export { createMemoryObjectApi } from './memory-object-api.ts';
