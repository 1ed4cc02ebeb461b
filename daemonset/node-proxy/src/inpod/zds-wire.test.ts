import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { WorkloadRequestSchema } from '@ambit/proto/zds';
import fc from 'fast-check';
import { createFrameReader, decodeRequest, encodeAck, encodeHello, frame } from './zds-wire.ts';

test('hello and a success reply have the bytes of the protocol', () => {
  assert.deepEqual([...encodeHello()], [0x08, 0x01]);
  assert.deepEqual([...encodeAck('')], [0x0a, 0x00]);
});

test('an add is read with its workload and descriptor', () => {
  const workloadInfo = { name: 'web-1', namespace: 'shop', serviceAccount: 'web' };
  const bytes = toBinary(
    WorkloadRequestSchema,
    create(WorkloadRequestSchema, { payload: { case: 'add', value: { uid: 'u1', workloadInfo } } }),
  );
  assert.deepEqual(decodeRequest(bytes, 7), { kind: 'add', uid: 'u1', workload: workloadInfo, netns: 7 });
});

test('any bytes either decode or are refused with our error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeRequest(bytes, undefined);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ERR_NODE_PROXY_ZDS');
      }
    }),
  );
});

test('frames come out whole however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      (messages, step) => {
        const stream = Buffer.concat(messages.map((message) => frame(message)));
        const read = createFrameReader();
        const out: Buffer[] = [];
        for (let at = 0; at < stream.length; at += step) out.push(...read(stream.subarray(at, at + step)));
        assert.deepEqual(
          out.map((bytes) => [...bytes]),
          messages.map((bytes) => [...bytes]),
        );
      },
    ),
  );
});

test('a frame over the limit is refused', () => {
  assert.throws(() => createFrameReader()(Buffer.from([0, 1, 0, 0])), { code: 'ERR_NODE_PROXY_ZDS' });
});
