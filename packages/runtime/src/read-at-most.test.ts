import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readAtMost } from './read-at-most.ts';

const pieces = (...texts: readonly string[]): Readable => Readable.from(texts.map((text) => Buffer.from(text)));

test('a stream within the limit is read whole', async () => {
  assert.equal(String(await readAtMost(pieces('ab', '', 'c'), 3)), 'abc');
  assert.equal(String(await readAtMost(pieces(), 0)), '');
});

test('a stream over the limit is not read further', async () => {
  let asked = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      asked += 1;
      yield Buffer.alloc(10);
    }
  }
  assert.equal(await readAtMost(endless(), 25), undefined);
  assert.equal(asked, 3);
});

test('the error of the stream is passed on', async () => {
  const broken = new Readable({ read: () => undefined });
  const reading = readAtMost(broken, 10);
  broken.destroy(new Error('gone'));
  await assert.rejects(reading, { message: 'gone' });
});
