// In: the checkout. Out: its packages with their manifests and source files. Called by the repository tests.
import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { repositoryRoot } from '../commands/step.ts';

/** One package of the workspace. */
export interface WorkspacePackage {
  /** Name without the scope. */
  readonly name: string;
  /** Folder, relative to the repository root. */
  readonly folder: string;
  readonly manifest: {
    readonly dependencies?: Record<string, string>;
    readonly devDependencies?: Record<string, string>;
    readonly exports?: unknown;
  };
}

/** All packages of the workspace, by folder. */
export function workspacePackages(): readonly WorkspacePackage[] {
  return globSync(
    ['packages/*/package.json', 'daemonset/*/package.json', 'waypoint/package.json', 'test/package.json'],
    {
      cwd: repositoryRoot,
    },
  )
    .toSorted()
    .map((file) => {
      const manifest = JSON.parse(readFileSync(repositoryRoot + file, 'utf8')) as WorkspacePackage['manifest'] & {
        name: string;
      };
      return { name: manifest.name.replace('@ambit/', ''), folder: dirname(file), manifest };
    });
}

/** TypeScript sources of a package, relative to the repository root; tests and generated code left out on request. */
export function sourcesOf(folder: string, options: { readonly tests: boolean }): readonly string[] {
  return globSync(`${folder}/**/*.ts`, {
    cwd: repositoryRoot,
    exclude: ['**/node_modules/**', '**/dist/**', '**/gen/**'],
  })
    .filter(
      (file) =>
        !file.endsWith('.d.ts') && (options.tests || !(file.endsWith('.test.ts') || file.includes('/testing/'))),
    )
    .toSorted();
}

/** Text of a file of the checkout. */
export const textOf = (file: string): string => readFileSync(repositoryRoot + file, 'utf8');
