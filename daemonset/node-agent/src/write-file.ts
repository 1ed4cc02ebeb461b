// In: a path, its new content. Out: the file replaced at once. Called by the installer and by unprotected/record.ts.
import {
  chmodSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

const temporaryPrefixOf = (path: string): string => `${basename(path)}.tmp.`;

function removeLeftovers(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder))
    if (name.startsWith(temporaryPrefixOf(path))) rmSync(join(folder, name), { force: true });
}

/** Replaces a file atomically; temporary files that an earlier attempt left are removed. Returns false when nothing was to change. */
export function replaceFile(path: string, content: string | Buffer, mode: number): boolean {
  removeLeftovers(path);
  const bytes = Buffer.from(content);
  try {
    if (readFileSync(path).equals(bytes) && (statSync(path).mode & 0o777) === mode) return false;
  } catch {
    // Not there yet, or not readable: it is written.
  }
  const temporary = join(dirname(path), `${temporaryPrefixOf(path)}${process.pid}`);
  try {
    writeFileSync(temporary, bytes, { mode });
    chmodSync(temporary, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true }); // a full disk is not left fuller
    throw error;
  }
  return true;
}

/**
 * Copies a file atomically, unless the target has its size and its time of change already: an executable of this size is not read again and
 * again. Returns false when nothing was to change.
 */
export function copyFile(source: string, target: string, mode: number): boolean {
  removeLeftovers(target);
  const from = statSync(source);
  const to = statSync(target, { throwIfNoEntry: false });
  // Whole seconds: a file system that keeps no more must not cause a copy each time.
  const isSame =
    to?.size === from.size &&
    Math.floor(to.mtimeMs / 1000) === Math.floor(from.mtimeMs / 1000) &&
    (to.mode & 0o777) === mode;
  if (isSame) return false;
  const temporary = join(dirname(target), `${temporaryPrefixOf(target)}${process.pid}`);
  try {
    copyFileSync(source, temporary);
    chmodSync(temporary, mode);
    utimesSync(temporary, from.atime, from.mtime);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true }); // a full disk is not left fuller
    throw error;
  }
  return true;
}

/** Permission bits of a file, or the fallback when there is none. */
export function modeOf(path: string, fallback: number): number {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return fallback;
  }
}
