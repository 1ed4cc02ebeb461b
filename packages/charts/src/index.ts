export { renderMesh } from './render/mesh.ts';
export { completeValues, defaultValues, type MeshValues, type PartialMeshValues } from './values.ts';
