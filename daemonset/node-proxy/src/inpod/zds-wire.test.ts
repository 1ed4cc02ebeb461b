import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { WorkloadRequestSchema } from '@ambit/proto/zds';
import fc from 'fast-check';
import { decodeRequest, encodeAck, encodeHello, ZDS_MESSAGE_LIMIT_BYTES } from './zds-wire.ts';

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

test('a reply fits a message however long its error is', () => {
  for (const error of ['x'.repeat(5000), '\u{1f600}'.repeat(2000), 'ä'.repeat(451)]) {
    assert.ok(encodeAck(error).length <= ZDS_MESSAGE_LIMIT_BYTES);
  }
});
