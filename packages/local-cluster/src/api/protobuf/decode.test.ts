// Protobuf bodies: foreign and broken bytes are refused, never crash.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { UnknownSchema } from '@ambit/proto/kubernetes';
import fc from 'fast-check';
import { messageOfKind } from '../schema/from-descriptor.ts';
import { decodeProtobufBody, ProtobufBodyError } from './decode.ts';

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

const envelope = (apiVersion: string, kind: string, raw: Uint8Array): Buffer =>
  Buffer.concat([magic, toBinary(UnknownSchema, create(UnknownSchema, { typeMeta: { apiVersion, kind }, raw }))]);

test('plain fields drop their zero value, optional ones keep it, inlined structs are flat', () => {
  const deployment = messageOfKind('apps/v1', 'Deployment');
  assert.ok(deployment !== undefined);
  const raw = toBinary(
    deployment,
    create(deployment, { metadata: { name: 'd', namespace: '' }, spec: { replicas: 0, paused: false } }),
  );
  assert.deepEqual(decodeProtobufBody(envelope('apps/v1', 'Deployment', raw)), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: { replicas: 0 },
  });
});

test('an unknown kind and foreign bytes are refused', () => {
  assert.throws(() => decodeProtobufBody(envelope('v1', 'Nothing', new Uint8Array())), ProtobufBodyError);
  assert.throws(() => decodeProtobufBody(Buffer.from('{}')), ProtobufBodyError);
});

test('broken bytes are refused or decoded, nothing else', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom('Pod', 'Service', 'Secret', 'Event'),
      (bytes, kind) => {
        for (const body of [Buffer.concat([magic, bytes]), envelope('v1', kind, bytes)]) {
          try {
            decodeProtobufBody(body);
          } catch (error) {
            assert.ok(error instanceof ProtobufBodyError);
          }
        }
      },
    ),
  );
});
