// Entry of @ambit/checks: the import matrix, for tools that draw it.
export { mayImport } from './repository/import-matrix.ts';
