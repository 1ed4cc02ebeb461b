// The file of `ambit local up -f`: what the cluster is, and what runs on it. In: YAML documents. Out: settings and objects. Pure apart
// from reading the file. Called by up.ts. A document of kind LocalCluster holds settings; every other one is an object to apply:
//
//   kind: LocalCluster
//   nodes: 3                 # 1 to 9
//   mode: netns              # auto, netns, loopback
//   mesh: true               # installs the mesh before the objects
//   images:                  # entries of the image map, as packages/local-cluster/README.md describes them
//   - { match: example/web, command: ['${NODE}', '/opt/web/main.js'], files: { /opt/web: ./web } }
import type { KubernetesObject } from '@ambit/resources';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CliError } from '../errors.ts';
import type { ClusterMode } from './choose-mode.ts';

/** An entry of the image map. */
export interface ImageMapEntry {
  readonly match: string;
  readonly [field: string]: unknown;
}

/** What a file asks for. */
export interface ClusterWishes {
  readonly nodes: number | undefined;
  readonly mode: ClusterMode | 'auto' | undefined;
  readonly hasMesh: boolean;
  readonly images: readonly ImageMapEntry[];
  readonly objects: readonly KubernetesObject[];
}

type Loose = Record<string, unknown>;

const MAX_BYTES = 3 << 20;
const settingNames = new Set(['apiVersion', 'kind', 'metadata', 'nodes', 'mode', 'mesh', 'images']);
const isRecord = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a file. Throws ERR_CLI_FILE when it cannot be read, ERR_CLI_INVALID naming what is wrong in it. */
export function readClusterWishes(file: string): ClusterWishes {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CliError('ERR_CLI_FILE', `file ${file} cannot be read`, { cause });
  }
  return parseClusterWishes(text, file);
}

/** Parses the text of a file; relative paths of images are meant from its folder. Throws ERR_CLI_INVALID. */
export function parseClusterWishes(text: string, file: string): ClusterWishes {
  const fail = (why: string): never => {
    throw new CliError('ERR_CLI_INVALID', `${file}: ${why}`, {
      hint: 'documents of kind LocalCluster (nodes, mode, mesh, images), and Kubernetes objects',
    });
  };
  if (text.length > MAX_BYTES) fail(`larger than ${MAX_BYTES} bytes`);
  const settings: Loose = {};
  const objects: KubernetesObject[] = [];
  for (const [index, document] of parseAllDocuments(text).entries()) {
    const where = `document ${index + 1}`;
    const [problem] = document.errors;
    if (problem !== undefined) fail(`${where}: ${problem.message}`);
    const content: unknown = document.toJS({ maxAliasCount: 50 });
    if (content === null || content === undefined) continue;
    if (!isRecord(content)) return fail(`${where} is no object`);
    if (content['kind'] === 'LocalCluster') {
      const stranger = Object.keys(content).find((name) => !settingNames.has(name));
      if (stranger !== undefined) fail(`${where}: LocalCluster has no field "${stranger}"`);
      Object.assign(settings, content);
    } else {
      const { apiVersion, kind, metadata } = content;
      const isNamed = isRecord(metadata) && typeof metadata['name'] === 'string';
      if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !isNamed)
        fail(`${where} needs apiVersion, kind and metadata.name`);
      objects.push(content as unknown as KubernetesObject);
    }
  }
  const { nodes, mode, mesh = false, images = [] } = settings;
  if (nodes !== undefined && !(Number.isInteger(nodes) && Number(nodes) >= 1 && Number(nodes) <= 9))
    fail('nodes must be a whole number from 1 to 9');
  if (mode !== undefined && mode !== 'auto' && mode !== 'netns' && mode !== 'loopback')
    return fail('mode must be auto, netns or loopback');
  if (typeof mesh !== 'boolean') fail('mesh must be true or false');
  if (!Array.isArray(images) || !images.every((entry) => isRecord(entry) && typeof entry['match'] === 'string'))
    return fail('images must be a list of entries with `match`');
  return {
    nodes: nodes as number | undefined,
    mode,
    hasMesh: mesh === true,
    images: images.map((entry) => withPaths(entry as ImageMapEntry, dirname(resolve(file)))),
    objects,
  };
}

/** An entry whose files of this machine are absolute. */
export function withPaths(entry: ImageMapEntry, folder: string): ImageMapEntry {
  const { files } = entry;
  if (!isRecord(files)) return entry;
  const absolute = Object.entries(files).map(([inside, path]) => [inside, resolve(folder, String(path))]);
  return { ...entry, files: Object.fromEntries(absolute) as Loose };
}
