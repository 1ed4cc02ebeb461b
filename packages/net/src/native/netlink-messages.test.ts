import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attributesOf, messagesOf } from './netlink-messages.ts';

const message = (type: number, body: Buffer): Buffer => {
  const bytes = Buffer.alloc((16 + body.length + 3) & ~3);
  bytes.writeUInt32LE(16 + body.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt32LE(7, 8);
  body.copy(bytes, 16);
  return bytes;
};

const attribute = (type: number, value: Buffer): Buffer => {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
};

test('messages and attributes come back whole, whatever their lengths', () => {
  const value = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const attributes = fc.array(fc.tuple(fc.integer({ min: 0, max: 0x3fff }), value), { maxLength: 5 });
  fc.assert(
    fc.property(fc.array(attributes, { maxLength: 5 }), (all) => {
      const packet = Buffer.concat(
        all.map((list) =>
          message(24, Buffer.concat([Buffer.alloc(12), ...list.map(([type, bytes]) => attribute(type, bytes))])),
        ),
      );
      assert.deepEqual(
        messagesOf(packet).map(({ type, sequence, body }) => [type, sequence, attributesOf(body, 12)]),
        all.map((list) => [24, 7, list]),
      );
    }),
  );
});

test('bytes that are no messages, and lengths that lie, end the reading', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const { body } of messagesOf(Buffer.from(bytes))) attributesOf(body, 4);
      attributesOf(Buffer.from(bytes), 0);
    }),
  );
  assert.deepEqual(messagesOf(Buffer.from('ffffffff', 'hex')), []);
  assert.deepEqual(attributesOf(Buffer.from('00000000', 'hex'), 0), []);
});
