// Where the resident memory of this process is, exactly: /proc/self/smaps counts pages, unlike VmRSS, whose counters are kept per thread and
// added up now and then. In: nothing. Out: KB per class. Called by soak-process.ts. `classify` is pure.
import { readFileSync } from 'node:fs';

/** KB of anonymous memory, swapped out or not, by what it is for; pages of files (the executable, libraries) are no allocation of anybody. */
export interface ResidentKb {
  /** Clean pages of files that were touched so far. */
  readonly file: number;
  /** V8's code range: machine code. */
  readonly code: number;
  /** V8's other pages: objects, bytecode, feedback, tables of compiled code. */
  readonly heap: number;
  /** The heap and the arenas of the C library's allocator, in use or not. */
  readonly arenas: number;
  /** Stacks, allocations that are mappings of their own, tables of V8, data of the executable and of libraries. */
  readonly other: number;
}

/** Below this address V8 places its pages; the kernel places what nobody asked a place for above it. */
const FIRST_KERNEL_PLACED = 0x7f00_0000_0000;
/** Where the allocator's arenas begin, multiples of this. */
const ARENA_BYTES = 64 * 1024 * 1024;
const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)$/u;
const FIGURE = /^(Rss|Anonymous|Swap): +(\d+) kB$/u;

/** Sums up a `smaps`. */
export function classify(smaps: string): ResidentKb {
  const sums = { file: 0, code: 0, heap: 0, arenas: 0, other: 0 };
  let kind: keyof typeof sums = 'other';
  let rss = 0;
  for (const line of smaps.split('\n')) {
    const header = HEADER.exec(line);
    if (header !== null) {
      const [, start = '', , rights = '', inode = '', name = ''] = header;
      kind = name === '[heap]' ? 'arenas' : kindOf(Number.parseInt(start, 16), rights, inode === '0' && name === '');
      continue;
    }
    const [, figure, kb = '0'] = FIGURE.exec(line) ?? [];
    if (figure === 'Rss') rss = Number(kb);
    else if (figure === 'Anonymous') {
      sums[kind] += Number(kb);
      sums.file += rss - Number(kb);
    } else if (figure === 'Swap') sums[kind] += Number(kb);
  }
  return sums;
}

function kindOf(address: number, rights: string, isAnonymous: boolean): keyof ResidentKb {
  if (!isAnonymous) return 'other';
  if (rights.startsWith('rwx')) return 'code';
  if (address < FIRST_KERNEL_PLACED) return 'heap';
  return address % ARENA_BYTES === 0 ? 'arenas' : 'other';
}

/** Of this process, now. */
export function residentKb(): ResidentKb {
  return classify(readFileSync('/proc/self/smaps', 'latin1'));
}
