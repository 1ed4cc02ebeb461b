import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrpcMessages } from './grpc-messages.ts';

test('messages are counted however the body is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(300), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
      (lengths, cuts) => {
        const body = Buffer.concat(
          lengths.map((length) => {
            const frame = Buffer.alloc(5 + length, 0xff);
            frame[0] = 0;
            frame.writeUInt32BE(length, 1);
            return frame;
          }),
        );
        const messages = new GrpcMessages();
        for (let at = 0, turn = 0; at < body.length; turn++) {
          const size = cuts[turn % cuts.length] as number;
          messages.push(body.subarray(at, at + size));
          at += size;
        }
        assert.equal(messages.count, lengths.length);
      },
    ),
  );
});
