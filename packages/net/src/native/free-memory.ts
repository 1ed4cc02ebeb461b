// What the C library's allocator holds. In: nothing. Out: what is in use; whether what was free went back to the system: glibc keeps it in its
// arenas for the next allocation, tens of MB after bulk traffic. Called where memory is measured (test/perf/soak). Any thread; all threads'
// arenas are meant.
import { createRequire } from 'node:module';

interface Koffi {
  struct(name: string, fields: Record<string, string>): unknown;
  load(path: string): { func(declaration: string): (...args: number[]) => unknown };
}

interface Allocator {
  trim(keep: number): number;
  /** `uordblks`: lent from the arenas; `hblkhd`: lent as mappings of their own. */
  info(): { readonly uordblks: number; readonly hblkhd: number };
}

const FIELDS = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split(' ');

let loaded: Allocator | undefined;

/** `malloc_trim(3)`. Takes milliseconds per 10 MB, during which other threads may wait for memory. False with another C library. */
export function giveBackFreeMemory(): boolean {
  return allocator()?.trim(0) === 1;
}

/** `mallinfo2(3)`: bytes that were allocated and not freed yet. Undefined with another C library. */
export function allocatedBytes(): number | undefined {
  const info = allocator()?.info();
  return info && info.uordblks + info.hblkhd;
}

function allocator(): Allocator | undefined {
  try {
    return (loaded ??= load());
  } catch {
    return undefined;
  }
}

function load(): Allocator {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  koffi.struct('ambit_mallinfo2', Object.fromEntries(FIELDS.map((name) => [name, 'size_t'])));
  const library = koffi.load('libc.so.6');
  return {
    trim: library.func('int malloc_trim(size_t keep)') as Allocator['trim'],
    info: library.func('ambit_mallinfo2 mallinfo2()') as Allocator['info'],
  };
}
