/**
 * In: components and an output folder. Out: `<component>.oci.tar` and `<component>.cdx.json` for each. The thin part: reads, compiles, writes.
 *
 * One layer with Node.js and its libraries is packed once and shared by all images. Called by main.ts and test/netns/images.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Component } from './components.ts';
import { ImageError } from './errors.ts';
import { gatherLibraries, gatherTools, rootEntries } from './gather/debian.ts';
import { readManifest } from './gather/installed-packages.ts';
import { entrypointOf, gatherProgram } from './gather/program-layer.ts';
import { type Architecture, fullReference, type Layer, packLayer, planImage } from './image.ts';
import { billOfMaterials, type Part } from './sbom.ts';
import { type TarEntry, tarPieces } from './tar.ts';

/** What to build and where. */
export interface BuildOptions {
  /** Root of the checkout, with its packages installed. */
  readonly checkout: string;
  /** Folder for the files; made when missing. */
  readonly out: string;
  readonly hub: string;
  readonly tag: string;
  /** Seconds since 1970 for every file and image; the same number and checkout give the same bytes. */
  readonly seconds: number;
  /** Take the JavaScript that is there. */
  readonly skipsCompile: boolean;
  /** Told what happens, one line each. */
  readonly progress: (line: string) => void;
}

/** An image that was written. */
export interface BuiltImage {
  readonly component: string;
  readonly reference: string;
  /** Digest of the manifest. */
  readonly digest: string;
  readonly archive: string;
  readonly billOfMaterials: string;
  readonly bytes: number;
}

/** Builds them one after the other. Rejects with an ImageError; files already written stay, none is half written. */
export async function buildImages(wanted: readonly Component[], options: BuildOptions): Promise<readonly BuiltImage[]> {
  const node = nodePackage(options.checkout);
  mkdirSync(options.out, { recursive: true });
  if (!options.skipsCompile) compile(wanted, options);
  options.progress(`packing Node.js ${node.part.version} and its libraries`);
  const libraries = gatherLibraries([node.program]);
  const base = await packLayer(
    `Node.js ${node.part.version} and its shared libraries`,
    [...rootEntries(), ...libraries.entries, executable('usr/bin/node', node.program), ...node.notices],
    options.seconds,
  );
  const shared = { base, parts: [node.part, ...libraries.parts], node: node.program, architecture: node.architecture };
  const built: BuiltImage[] = [];
  for (const component of wanted) built.push(await buildOne(component, shared, options));
  return built;
}

/**
 * Writes the files of each program as they lie in its image, below `<out>/<component>`, and tells how each is started: for a look, or a
 * measurement of what users run. Rejects with an ImageError.
 */
export async function unpackPrograms(
  wanted: readonly Component[],
  options: Pick<BuildOptions, 'checkout' | 'out' | 'skipsCompile' | 'progress'>,
): Promise<void> {
  if (!options.skipsCompile) compile(wanted, options);
  for (const component of wanted) {
    const { name } = component;
    const program = join(options.checkout, component.folder);
    const { entries } = await gatherProgram(program, component.bundled);
    for (const entry of entries) {
      if (entry.kind !== 'file') continue;
      const path = join(options.out, name, entry.path);
      mkdirSync(dirname(path), { recursive: true });
      await writeFile(path, entry.content);
    }
    const [, ...command] = entrypointOf(program, component);
    const start = { arguments: command, environment: component.environment };
    await writeFile(join(options.out, name, START_FILE), JSON.stringify(start));
    options.progress(`wrote ${join(options.out, name)}, started as node ${command.join(' ')}`);
  }
}

/** How an unpacked program is started: arguments of Node.js, the path as in the image, and environment. */
const START_FILE = 'start.json';

interface Shared {
  readonly base: Layer;
  readonly parts: readonly Part[];
  readonly node: string;
  readonly architecture: Architecture;
}

async function buildOne(component: Component, shared: Shared, options: BuildOptions): Promise<BuiltImage> {
  options.progress(`packing ${component.name}`);
  const folder = join(options.checkout, component.folder);
  const program = await gatherProgram(folder, component.bundled);
  const tools = gatherTools(component.tools, component.modules);
  const layers = [shared.base];
  const extra = [...tools.entries, ...(component.hasPlugin ? [plugin(folder, shared.node)] : [])];
  if (extra.length > 0) layers.push(await packLayer('programs that it starts', extra, options.seconds));
  layers.push(await packLayer(`${component.title}, emitted JavaScript`, program.entries, options.seconds));
  const reference = fullReference(options.hub, component.image, options.tag);
  const image = planImage(layers, {
    reference,
    architecture: shared.architecture,
    entrypoint: entrypointOf(folder, component),
    environment: component.environment,
    user: component.user,
    labels: {
      'org.opencontainers.image.title': component.title,
      'org.opencontainers.image.version': options.tag,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
    seconds: options.seconds,
  });
  const bill = join(options.out, `${component.name}.cdx.json`);
  const subject = { reference, digest: image.digest, seconds: options.seconds };
  await replace(bill, [Buffer.from(billOfMaterials(subject, [...shared.parts, ...tools.parts, ...program.parts]))]);
  const archive = join(options.out, `${component.name}.oci.tar`);
  const bytes = await replace(archive, tarPieces(image.entries, options.seconds));
  options.progress(`wrote ${archive} (${Math.round(bytes / 1e6)} MB, ${reference}, ${image.digest})`);
  return { component: component.name, reference, digest: image.digest, archive, billOfMaterials: bill, bytes };
}

/** Writes beside and renames, so that a file is whole or absent. Resolves with its size. */
async function replace(path: string, pieces: Iterable<Buffer>): Promise<number> {
  let bytes = 0;
  function* counted(): Generator<Buffer> {
    for (const piece of pieces) {
      bytes += piece.length;
      yield piece;
    }
  }
  const unfinished = `${path}.part`;
  try {
    await writeFile(unfinished, counted());
    renameSync(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return bytes;
}

function compile(
  wanted: readonly Component[],
  { checkout, progress }: Pick<BuildOptions, 'checkout' | 'progress'>,
): void {
  progress('compiling');
  try {
    execFileSync(join(checkout, 'node_modules/.bin/tsc'), ['-b', ...wanted.map(({ folder }) => folder)], {
      cwd: checkout,
      stdio: 'pipe',
      encoding: 'utf8',
    });
  } catch (cause) {
    throw new ImageError('ERR_IMAGES_INCOMPLETE', 'the sources do not compile', {
      cause,
      hint: 'run tsc -b in the checkout and read what it says',
    });
  }
}

const architectures: Readonly<Record<string, Architecture>> = { x64: 'amd64', arm64: 'arm64' };

/** The pinned Node.js of the checkout. */
function nodePackage(checkout: string): {
  readonly program: string;
  readonly architecture: Architecture;
  readonly part: Part;
  readonly notices: readonly TarEntry[];
} {
  const architecture = architectures[process.arch];
  const folder = join(checkout, `node_modules/node-linux-${process.arch}`);
  if (architecture === undefined || !existsSync(join(folder, 'bin/node')))
    throw new ImageError('ERR_IMAGES_INCOMPLETE', `the pinned Node.js for linux ${process.arch} is not installed`, {
      hint: 'run pnpm install in the checkout, on linux x64 or arm64',
    });
  const { name, version, license } = readManifest(folder);
  return {
    program: realpathSync(join(folder, 'bin/node')),
    architecture,
    part: { origin: 'npm', name, version, licences: license === undefined ? [] : [license] },
    notices: [
      {
        kind: 'file',
        path: 'usr/share/doc/nodejs/LICENSE',
        content: readFileSync(join(folder, 'LICENSE')),
        mode: 0o644,
      },
    ],
  };
}

/** The CNI plugin as one executable, made by the node agent's own script. */
function plugin(folder: string, node: string): TarEntry {
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-images-'));
  try {
    const output = join(scratch, 'istio-cni');
    execFileSync(node, ['--conditions=@ambit/source', join(folder, 'src/install/build-plugin.ts'), output], {
      stdio: 'pipe',
    });
    return executable('opt/cni/bin/istio-cni', output);
  } catch (cause) {
    throw new ImageError('ERR_IMAGES_INCOMPLETE', 'the CNI plugin could not be made', { cause });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const executable = (path: string, from: string): TarEntry => ({
  kind: 'file',
  path,
  content: readFileSync(from),
  mode: 0o755,
});
