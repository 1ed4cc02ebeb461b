/**
 * In: the folder of a program of this repository. Out: every package it needs, each at a place under `/app/node_modules` where Node finds it.
 *
 * pnpm's store is links; an image gets plain folders: each package once at the top, a second version of a name inside the one that asks for
 * it. Called by program-layer.ts.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { ImageError } from '../errors.ts';

/** The fields of a package.json that matter here. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** A package and where it goes. */
export interface PlacedPackage {
  /** Folder on this machine, links resolved. */
  readonly folder: string;
  /** Place in the image, relative: `node_modules/@ambit/net`. */
  readonly place: string;
  readonly manifest: Manifest;
  /** Of this repository, not of a registry. */
  readonly isOurs: boolean;
}

/** Reads a package.json of an installed package. */
export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** The program's package and all it needs. Throws ERR_IMAGES_INCOMPLETE when one is not installed. */
export function placePackages(programFolder: string): readonly PlacedPackage[] {
  const first = placed(realpathSync(programFolder), (name) => `node_modules/${name}`);
  const byPlace = new Map([[first.place, first]]);
  for (const current of byPlace.values()) {
    for (const { name, isNeeded } of dependenciesOf(current.manifest)) {
      const folder = findInstalled(name, current.folder);
      if (folder === undefined) {
        if (!isNeeded) continue;
        throw new ImageError(
          'ERR_IMAGES_INCOMPLETE',
          `${current.manifest.name} needs ${name}, which is not installed`,
          {
            hint: 'run pnpm install in the checkout',
          },
        );
      }
      const seen = placesSeenFrom(current.place, name).find((place) => byPlace.has(place));
      if (seen !== undefined && byPlace.get(seen)?.folder === folder) continue;
      const place = seen === undefined ? `node_modules/${name}` : `${current.place}/node_modules/${name}`;
      byPlace.set(
        place,
        placed(folder, () => place),
      );
    }
  }
  return [...byPlace.values()];
}

/** Where Node looks for a package from a place, nearest first. Pure. */
export function placesSeenFrom(place: string, name: string): readonly string[] {
  const parts = place.split('/node_modules/');
  const nested = parts.map(
    (_, index) => `${parts.slice(0, parts.length - index).join('/node_modules/')}/node_modules/${name}`,
  );
  return [...nested, `node_modules/${name}`];
}

function placed(folder: string, placeOf: (name: string) => string): PlacedPackage {
  const manifest = readManifest(folder);
  return { folder, place: placeOf(manifest.name), manifest, isOurs: !folder.includes(`${sep}node_modules${sep}`) };
}

function dependenciesOf(manifest: Manifest): readonly { readonly name: string; readonly isNeeded: boolean }[] {
  const optional = new Set(Object.keys({ ...manifest.optionalDependencies, ...manifest.peerDependencies }));
  return Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies })
    .filter((name) => !name.startsWith('@types/'))
    .toSorted()
    .map((name) => ({ name, isNeeded: !optional.has(name) }));
}

/** As Node looks for it: from the package's own folder upwards. */
function findInstalled(name: string, from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = basename(folder) === 'node_modules' ? join(folder, name) : join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
  }
  return undefined;
}
