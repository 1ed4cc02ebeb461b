/**
 * In: the folder of a compiled program and its entries. Out: the entries joined with everything they import, as files of the image beside the
 * emitted ones. A start reads these few files: for the node proxy a third of the time and four fifths of the memory of hundreds.
 *
 * What a program loads by `createRequire` at run time (native code, what most starts never need) stays where it is. Called by build.ts.
 */
import { basename, join } from 'node:path';
import { rolldown } from 'rolldown';
import { ImageError } from '../errors.ts';
import type { TarEntry } from '../tar.ts';

/** Folder of the joined files, below the program's own. */
export const BUNDLE_FOLDER = 'dist/bundle';

/**
 * Joins `dist/src/<entry>` for each entry; files are named after the entries, so that a thread's entry is found beside the program.
 * `place` is the program's folder in the image. Rejects with ERR_IMAGES_INCOMPLETE.
 */
export async function bundleProgram(
  folder: string,
  place: string,
  entries: readonly string[],
): Promise<readonly TarEntry[]> {
  const problems: string[] = [];
  try {
    const bundle = await rolldown({
      cwd: folder,
      input: Object.fromEntries(entries.map((entry) => [basename(entry, '.js'), join(folder, 'dist/src', entry)])),
      platform: 'node',
      onLog: (level, { message }) => (level === 'warn' ? problems.push(message) : undefined),
    });
    const { output } = await bundle.generate({
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'shared-[name].js',
    });
    await bundle.close();
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return output.map((file) => ({
      kind: 'file' as const,
      path: `app/${place}/${BUNDLE_FOLDER}/${file.fileName}`,
      content: Buffer.from(file.type === 'chunk' ? file.code : file.source),
      mode: 0o644,
    }));
  } catch (cause) {
    throw new ImageError('ERR_IMAGES_INCOMPLETE', `the program in ${folder} could not be joined into one file`, {
      cause,
      hint: 'leave --skip-compile out, or run tsc -b in the checkout',
    });
  }
}
