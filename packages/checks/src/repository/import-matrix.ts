// In: package names. Out: which of our packages each may depend on; the one table behind import-matrix.test.ts.
// Layers and reasons: packages/docs/layers.md.

/** Libraries of layers L0 to L2, lowest first. */
export const libraries = [
  'runtime',
  'proto',
  'net',
  'identity',
  'state',
  'resources',
  'xds',
  'hbone',
  'l7',
  'model',
  'kube',
  'charts',
] as const;

/** Package name -> packages it may import. Types-only edges count as allowed here. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  proto: [],
  net: ['runtime'],
  identity: ['runtime', 'proto', 'net'],
  state: ['runtime', 'proto', 'net', 'identity'],
  resources: ['runtime'],
  xds: ['runtime', 'proto'],
  hbone: ['runtime', 'net', 'identity'],
  l7: ['runtime', 'proto', 'identity', 'state'],
  model: ['runtime', 'proto', 'identity', 'state', 'resources'],
  kube: ['runtime', 'resources'],
  charts: ['runtime', 'resources'],
  'node-proxy': ['runtime', 'proto', 'net', 'identity', 'state', 'xds', 'hbone'],
  'node-agent': ['runtime', 'proto', 'net', 'resources', 'kube'],
  waypoint: ['runtime', 'proto', 'net', 'identity', 'state', 'xds', 'hbone', 'l7'],
  'control-plane': ['runtime', 'proto', 'identity', 'state', 'resources', 'xds', 'l7', 'model', 'kube', 'charts'],
  'local-cluster': ['runtime', 'proto', 'net', 'identity', 'resources', 'kube', 'charts'],
  cli: ['runtime', 'proto', 'identity', 'state', 'resources', 'l7', 'model', 'kube', 'charts'],
  images: ['runtime'],
  bookinfo: [],
  // The waypoint: its test mesh, which puts a data plane between doubles; everything else is run as a process.
  e2e: [...libraries, 'waypoint'],
  checks: [],
  docs: [],
  tsconfig: [],
};
