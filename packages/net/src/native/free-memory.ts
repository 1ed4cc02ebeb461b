// Gives memory that was freed back to the system: glibc keeps it in its arenas for the next allocation, tens of MB after bulk traffic. In:
// nothing. Out: whether there was anything. Called where memory is measured (test/perf/soak). Any thread; all threads' arenas are trimmed.
import { createRequire } from 'node:module';

interface Koffi {
  load(path: string): { func(declaration: string): (keep: number) => number };
}

let trim: ((keep: number) => number) | undefined;

/** `malloc_trim(3)`. Takes milliseconds per 10 MB, during which other threads may wait for memory. False with another C library. */
export function giveBackFreeMemory(): boolean {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    trim ??= koffi.load('libc.so.6').func('int malloc_trim(size_t keep)');
  } catch {
    return false;
  }
  return trim(0) === 1;
}
