// In: the installed packages. Out: every package of a registry that our processes load, with its licence. Called by
// supply-chain.test.ts. Reads node_modules as text; runs nothing of it.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '../commands/step.ts';
import { workspacePackages } from './workspace.ts';

/** One installed package. */
export interface InstalledPackage {
  /** `name@version`. */
  readonly id: string;
  /** The SPDX expression of its manifest; empty when it has none. */
  readonly licence: string;
  /** Packages of ours whose processes load it. */
  readonly usedBy: ReadonlySet<string>;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The runtime dependencies of all packages and what those depend on, by id. A package of ours counts with what it imports. */
export function runtimeDependencies(): readonly InstalledPackage[] {
  const found = new Map<string, { id: string; licence: string; usedBy: Set<string> }>();
  for (const { name, folder } of workspacePackages()) {
    for (const installed of reachableFrom(repositoryRoot + folder)) {
      const { name: own, version, license } = manifestOf(installed);
      if (own.startsWith('@ambit/')) continue;
      const id = `${own}@${version}`;
      const entry = found.get(id) ?? { id, licence: licenceText(license), usedBy: new Set<string>() };
      entry.usedBy.add(name);
      found.set(id, entry);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Whether every licence that an SPDX expression demands (or one of those it offers) is accepted. */
export function isAccepted(expression: string, accepted: ReadonlySet<string>): boolean {
  const plain = expression.split('(').join('').split(')').join('');
  return plain.split(' OR ').some((offer) => offer.split(' AND ').every((licence) => accepted.has(licence.trim())));
}

/** Folders of everything that a package depends on at run time, directly or not. */
function reachableFrom(folder: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (dependent: string): void => {
    const { dependencies, optionalDependencies } = manifestOf(dependent);
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const installed = installedFolder(dependent, dependency);
      if (installed === undefined || reached.has(installed)) continue;
      reached.add(installed);
      visit(installed);
    }
  };
  visit(folder);
  return reached;
}

/** Where a dependent finds a dependency: in its own node_modules, or beside it, as pnpm lays them out. */
function installedFolder(dependent: string, dependency: string): string | undefined {
  for (let at = dependent; at !== dirname(at); at = dirname(at)) {
    const candidate = join(at, 'node_modules', dependency);
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
  }
  return undefined;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

function licenceText(license: Manifest['license']): string {
  return (typeof license === 'string' ? license : license?.type) ?? '';
}
