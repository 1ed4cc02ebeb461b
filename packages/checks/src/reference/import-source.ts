// In: the path of a source file of any package. Out: what it exports, untyped. Called by the reference pages and tests:
// this package depends on no other one, so it loads their files by path.
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from '../commands/step.ts';

/** Loads a source file; `file` is relative to the repository root. */
export async function importSource(file: string): Promise<Record<string, unknown>> {
  return (await import(pathToFileURL(repositoryRoot + file).href)) as Record<string, unknown>;
}
