/**
 * In: the folder of a program of this repository. Out: the emitted JavaScript of it and of all it needs as entries under `app/`, and its parts.
 *
 * Called by build.ts.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Component } from '../components.ts';
import { ImageError } from '../errors.ts';
import type { Part } from '../sbom.ts';
import type { TarEntry } from '../tar.ts';
import { BUNDLE_FOLDER, bundleProgram } from './bundle-program.ts';
import { type PlacedPackage, placePackages } from './installed-packages.ts';

/** A layer to be, and what stands in the bill of materials for it. */
export interface Gathered {
  readonly entries: readonly TarEntry[];
  readonly parts: readonly Part[];
}

/** Files of packages of a registry that a program may load, and their licences. */
const shipped = ['.js', '.cjs', '.mjs', '.json', '.node', '.wasm', '.proto'];
const notices = ['license', 'licence', 'notice', 'copying'];

/**
 * The program's files; `bundled` entries also joined (components.ts). Rejects with ERR_IMAGES_INCOMPLETE when it was not compiled.
 */
export async function gatherProgram(folder: string, bundled: readonly string[]): Promise<Gathered> {
  const packages = placePackages(folder);
  const files = packages.flatMap((each) =>
    (each.isOurs ? ourFiles(each) : foreignFiles(each.folder)).map((path) => ({
      kind: 'file' as const,
      path: `app/${each.place}/${path}`,
      content: readFileSync(join(each.folder, path)),
      mode: 0o644,
    })),
  );
  const joined = bundled.length === 0 ? [] : await bundleProgram(folder, placeOf(packages), bundled);
  return {
    entries: [...files, ...joined],
    parts: packages.map(({ manifest, isOurs }) => ({
      origin: isOurs ? ('ours' as const) : ('npm' as const),
      name: manifest.name,
      version: manifest.version,
      licences: manifest.license === undefined ? [] : [manifest.license],
    })),
  };
}

/** Command that starts the program in its image. */
export function entrypointOf(
  folder: string,
  { bundled, nodeArguments }: Pick<Component, 'bundled' | 'nodeArguments'>,
): readonly string[] {
  const [first] = bundled;
  const main = first === undefined ? 'dist/src/main.js' : `${BUNDLE_FOLDER}/${basename(first)}`;
  return ['/usr/bin/node', ...nodeArguments, `/app/${placeOf(placePackages(folder))}/${main}`];
}

const placeOf = ([program]: readonly PlacedPackage[]): string => program?.place ?? '';

/** True for a file of a registry's package that goes into the image. Pure. */
export function isShipped(path: string): boolean {
  const parts = path.split('/');
  const name = parts.at(-1)?.toLowerCase() ?? '';
  if (parts.includes('node_modules') || parts.some((part) => part.startsWith('musl_'))) return false;
  return shipped.some((ending) => name.endsWith(ending)) || notices.some((notice) => name.startsWith(notice));
}

/** Emitted files whose source is still there (a compiler never removes what it wrote), the manifest, generated code, charts. */
function ourFiles({ folder, manifest }: PlacedPackage): readonly string[] {
  const emitted = filesOf(folder, 'dist/src/**/*.js').filter((path) => {
    const source = `${path.slice('dist/'.length, -'.js'.length)}.ts`;
    return !source.endsWith('.test.ts') && !source.includes('/testing/') && existsSync(join(folder, source));
  });
  if (emitted.length === 0)
    throw new ImageError('ERR_IMAGES_INCOMPLETE', `${manifest.name} was not compiled`, {
      hint: 'leave --skip-compile out, or run tsc -b in the checkout',
    });
  return ['package.json', ...emitted, ...filesOf(folder, 'gen/**/*.js'), ...filesOf(folder, 'charts/**')];
}

const foreignFiles = (folder: string): readonly string[] => filesOf(folder, '**').filter(isShipped);

const filesOf = (folder: string, pattern: string): readonly string[] =>
  globSync(pattern, { cwd: folder }).filter((path) => statSync(join(folder, path)).isFile());
