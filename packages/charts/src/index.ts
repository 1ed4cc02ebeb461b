// Entry of @ambit/charts: the values of an installation and the objects they render to.
export { renderMesh } from './render/mesh.ts';
export { completeValues, defaultValues, type MeshValues, type PartialMeshValues } from './values.ts';
