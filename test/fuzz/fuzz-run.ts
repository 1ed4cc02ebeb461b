// The loop of a fuzzer: corpus files first, then generated input until the time is over. In: a folder of corpus files and
// a function that throws when an invariant breaks. Out: executions done; a finding is printed as a corpus file to keep.
// AMBIT_FUZZ_SECONDS lengthens each fuzzer; AMBIT_FUZZ_SEED repeats one run.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Seconds of each fuzzer in an ordinary run; the group has five minutes for all of them. */
const DEFAULT_SECONDS = 15;

/** Numbers that look random and can be repeated. */
export interface Random {
  /** 0 to `below` - 1. */
  below(below: number): number;
  /** True once in `times`. */
  oneIn(times: number): boolean;
  pick<T>(from: readonly T[]): T;
  bytes(length: number): Buffer;
}

/** A generator with 32 bits of state (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return {
    below,
    oneIn: (times) => below(times) === 0,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}

/** What a fuzzer is. */
export interface Fuzzer {
  /** Folder under test/fuzz/corpus; its files are hexadecimal, one input each. */
  readonly corpus: string;
  generate(random: Random): Buffer;
  /** Throws when an invariant does not hold for this input. */
  run(input: Buffer): void;
}

/** Runs it. Throws the first finding, with the input as the text of a corpus file. Returns the number of executions. */
export function runFuzzer(fuzzer: Fuzzer): number {
  const { corpus } = fuzzer;
  let executions = 0;
  const attempt = (input: Buffer, where: string): void => {
    executions += 1;
    try {
      fuzzer.run(input);
    } catch (cause) {
      const file = `test/fuzz/corpus/${corpus}/<name>.hex`;
      throw new Error(`${where}: ${String(cause)}\nkeep as ${file}:\n${input.toString('hex')}`, { cause });
    }
  };
  const folder = join(import.meta.dirname, 'corpus', corpus);
  for (const file of existsSync(folder) ? globSync('*.hex', { cwd: folder }) : []) {
    attempt(Buffer.from(readFileSync(join(folder, file), 'latin1').replaceAll(/\s/g, ''), 'hex'), file);
  }
  const seconds = Number(process.env['AMBIT_FUZZ_SECONDS'] ?? DEFAULT_SECONDS);
  const firstSeed = Number(process.env['AMBIT_FUZZ_SEED'] ?? Date.now() % 2 ** 32);
  const until = performance.now() + seconds * 1000;
  for (let seed = firstSeed; performance.now() < until; seed += 1) {
    attempt(fuzzer.generate(randomFrom(seed)), `AMBIT_FUZZ_SEED=${seed}`);
  }
  return executions;
}
