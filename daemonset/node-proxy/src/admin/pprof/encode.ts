/**
 * Samples of several threads in; one profile in the format of pprof (google/pprof, profile.proto) out. Pure; main thread.
 *
 * Each sample carries its thread as a label, so that `go tool pprof -tagfocus` tells them apart.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ThreadProfile } from '../../threads/profiler.ts';

/** What the values of a sample are. */
export type SampleKind = 'cpu' | 'heap';

const VALUES: Readonly<Record<SampleKind, readonly (readonly [type: string, unit: string])[]>> = {
  cpu: [
    ['samples', 'count'],
    ['cpu', 'nanoseconds'],
  ],
  heap: [['inuse_space', 'bytes']],
};

/** Numbers of fields in profile.proto. */
const PROFILE = { sampleType: 1, sample: 2, location: 4, function: 5, stringTable: 6, timeNanos: 9, durationNanos: 10 };

/** The bytes of a profile. `atMs` is when it was taken, `durationMs` how long. */
export function encodeProfile(
  kind: SampleKind,
  threads: readonly ThreadProfile[],
  times: { readonly atMs: number; readonly durationMs: number },
): Uint8Array {
  const writer = new BinaryWriter();
  const texts = new Texts();
  for (const [type, unit] of VALUES[kind]) {
    message(writer, PROFILE.sampleType, (to) => integers(to, [1, texts.numberOf(type)], [2, texts.numberOf(unit)]));
  }
  let before = 0;
  for (const { thread, frames, samples } of threads) {
    for (const { stack, values } of samples) {
      message(writer, PROFILE.sample, (to) => {
        packed(
          to,
          1,
          stack.map((number) => before + number + 1),
        );
        packed(to, 2, values);
        message(to, 3, (label) => integers(label, [1, texts.numberOf('thread')], [2, texts.numberOf(thread)]));
      });
    }
    // A location and a function per frame, with one number.
    for (const [index, { name, file, line }] of frames.entries()) {
      const id = before + index + 1;
      message(writer, PROFILE.location, (to) => {
        integers(to, [1, id]);
        message(to, 4, (at) => integers(at, [1, id], [2, line]));
      });
      const [named, from] = [texts.numberOf(name), texts.numberOf(file)];
      message(writer, PROFILE.function, (to) => integers(to, [1, id], [2, named], [3, named], [4, from], [5, line]));
    }
    before += frames.length;
  }
  for (const text of texts.all) writer.tag(PROFILE.stringTable, WireType.LengthDelimited).string(text);
  writer.tag(PROFILE.timeNanos, WireType.Varint).int64(BigInt(Math.round(times.atMs)) * 1_000_000n);
  writer.tag(PROFILE.durationNanos, WireType.Varint).int64(BigInt(Math.round(times.durationMs)) * 1_000_000n);
  return writer.finish();
}

/** Texts by number; the first is empty, as the format wants. */
class Texts {
  readonly all: string[] = [''];
  readonly #numbers = new Map<string, number>([['', 0]]);

  numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.all.length;
      this.#numbers.set(text, number);
      this.all.push(text);
    }
    return number;
  }
}

function message(writer: BinaryWriter, field: number, fill: (to: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  fill(writer);
  writer.join();
}

function integers(writer: BinaryWriter, ...values: readonly (readonly [field: number, value: number])[]): void {
  for (const [field, value] of values) if (value !== 0) writer.tag(field, WireType.Varint).int64(value);
}

function packed(writer: BinaryWriter, field: number, values: readonly number[]): void {
  message(writer, field, (to) => {
    for (const value of values) to.int64(Math.round(value));
  });
}
