import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messagesOf } from './watch-flows.ts';

async function* chunksOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

test('messages come out whole, wherever the stream was cut', async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(messages, fc.array(fc.nat(20)), async (sent, sizes) => {
      const got: Buffer[] = [];
      for await (const message of messagesOf(chunksOf(Buffer.concat(sent.map(framed)), sizes))) got.push(message);
      assert.deepEqual(
        got.map(String),
        sent.map((one) => String(Buffer.from(one))),
      );
    }),
    { numRuns: 100 },
  );
});

test('a message that claims to be huge, or compressed, ends the reading', async () => {
  for (const head of [Buffer.of(0, 255, 0, 0, 0), Buffer.of(1, 0, 0, 0, 1)])
    await assert.rejects(messagesOf(chunksOf(head, [])).next(), { code: 'ERR_CLI_ADMIN' });
});
