import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KubeError } from './index.ts';
import { jsonLines, textLines } from './watch-lines.ts';

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

test('values survive any cut of the stream', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(fc.string(), fc.string()), { maxLength: 5 }),
      fc.integer({ min: 1, max: 20 }),
      async (values, size) => {
        const bytes = Buffer.from(values.map((v) => `${JSON.stringify(v)}\n`).join(''));
        const read: unknown[] = [];
        for await (const value of jsonLines(pieces(bytes, size))) read.push(value);
        assert.equal(JSON.stringify(read), JSON.stringify(values));
      },
    ),
    { numRuns: 50 },
  );
});

test('a line that is too long or no JSON ends the watch with an error', async () => {
  const read = async (text: string, max: number): Promise<void> => {
    for await (const value of jsonLines(pieces(Buffer.from(text), 4), max)) assert.ok(value);
  };
  await assert.rejects(read('{"a":"aaaaaaaaaaaaaaaaaaaaaaaa', 10), KubeError);
  await assert.rejects(read('{nonsense}\n', 100), KubeError);
});

test('a log is cut into its lines wherever its chunks end, and a line without end is refused', async () => {
  const read = async (text: string, max?: number): Promise<readonly string[]> => {
    const lines: string[] = [];
    for await (const line of textLines(pieces(Buffer.from(text), 3), max)) lines.push(line);
    return lines;
  };
  assert.deepEqual(await read('one\n\ntwo words\nthrée'), ['one', 'two words', 'thrée']);
  await assert.rejects(read('no end of it', 8), KubeError);
});
