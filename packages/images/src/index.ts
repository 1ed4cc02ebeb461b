// Entry of the package: how an image is built, and the pure parts that its tests and tools use.
export { buildImages, type BuildOptions, type BuiltImage } from './build.ts';
export { components, type Component } from './components.ts';
export { ImageError, type ImageErrorCode } from './errors.ts';
export {
  type Architecture,
  digestOf,
  fullReference,
  type ImageSettings,
  type Layer,
  packLayer,
  type PlannedImage,
  planImage,
} from './image.ts';
export { billOfMaterials, packageUrl, type Part, type Subject } from './sbom.ts';
export { completeEntries, type TarEntry, tarPieces } from './tar.ts';
