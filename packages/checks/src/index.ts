export { mayImport } from './repository/import-matrix.ts';
