// In: a path, its new content. Out: the file replaced at once. Called by installer.ts.
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Replaces a file atomically; temporary files that an earlier attempt left are removed. Returns false when nothing was to change. */
export function replaceFile(path: string, content: string | Buffer, mode: number): boolean {
  const folder = dirname(path);
  const prefix = `${basename(path)}.tmp.`;
  for (const name of readdirSync(folder)) if (name.startsWith(prefix)) rmSync(join(folder, name), { force: true });
  const bytes = Buffer.from(content);
  try {
    if (readFileSync(path).equals(bytes) && (statSync(path).mode & 0o777) === mode) return false;
  } catch {
    // Not there yet, or not readable: it is written.
  }
  const temporary = join(folder, `${prefix}${process.pid}`);
  writeFileSync(temporary, bytes, { mode });
  chmodSync(temporary, mode);
  renameSync(temporary, path);
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
