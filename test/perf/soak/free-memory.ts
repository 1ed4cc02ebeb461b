// Gives free memory back to the system, so that what is resident afterwards is what is held. V8 keeps committed pages for the next
// allocation and glibc keeps what was freed in its arenas: tens of MB that come and go with the load and hide a slope of a KB. In: nothing.
// Called by soak-process.ts between two looks, while nothing is under way.
import koffi from 'koffi';

type CollectAll = (options: {
  readonly type: 'major';
  readonly execution: 'sync';
  readonly flavor: 'last-resort';
}) => void;

/** glibc's own; other C libraries have none and keep less. */
const mallocTrim = ((): (() => void) => {
  try {
    const trim = koffi.load('libc.so.6').func('int malloc_trim(size_t keep)') as (keep: number) => number;
    return () => void trim(0);
  } catch {
    return () => {};
  }
})();

/** Needs `--expose-gc`. Takes tens of milliseconds. */
export function giveBackFreeMemory(): void {
  (globalThis.gc as CollectAll | undefined)?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  mallocTrim();
}
