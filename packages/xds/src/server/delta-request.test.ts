import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema } from '@ambit/proto/discovery';
import fc from 'fast-check';
import { XdsError } from '../errors.ts';
import { decodeDeltaRequest } from './delta-request.ts';

const isInvalid = (error: unknown): boolean => error instanceof XdsError && error.code === 'ERR_XDS_INVALID_REQUEST';
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', '\uFFFD', '*'));
const request = fc.record({
  typeUrl: text,
  resourceNamesSubscribe: fc.array(text),
  resourceNamesUnsubscribe: fc.array(text),
  initialResourceVersions: fc.dictionary(text, text),
  responseNonce: text,
});
const encoded = (init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): Buffer =>
  Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, init)));

test('a request reads as the general decoder reads it', () => {
  fc.assert(
    fc.property(
      request,
      fc.option(text, { nil: undefined }),
      fc.option(text, { nil: undefined }),
      (init, id, error) => {
        const bytes = Buffer.from(
          toBinary(
            DeltaDiscoveryRequestSchema,
            create(DeltaDiscoveryRequestSchema, {
              ...init,
              ...(id !== undefined && { node: { id, metadata: { NAMESPACE: 'a' } } }),
              ...(error !== undefined && { errorDetail: { code: 13, message: error } }),
            }),
          ),
        );
        const known = fromBinary(DeltaDiscoveryRequestSchema, bytes);
        const read = decodeDeltaRequest(bytes);
        assert.deepEqual(read.node, known.node);
        assert.deepEqual(read.errorDetail, known.errorDetail);
        assert.equal(read.typeUrl, known.typeUrl);
        assert.equal(read.responseNonce, known.responseNonce);
        assert.deepEqual(read.resourceNamesSubscribe, known.resourceNamesSubscribe);
        assert.deepEqual(read.resourceNamesUnsubscribe, known.resourceNamesUnsubscribe);
        assert.deepEqual(read.initialResourceVersions, new Map(Object.entries(known.initialResourceVersions)));
      },
    ),
  );
});

test('fields that nobody reads are skipped, whatever their kind', () => {
  const fields = Buffer.from('48ff01' + '51' + '0102030405060708' + '5d' + '01020304' + '6203616263', 'hex');
  const read = decodeDeltaRequest(Buffer.concat([fields, encoded({ typeUrl: 't' })]));
  assert.equal(read.typeUrl, 't');
});

for (const [what, hex] of [
  ['a length behind the end', '12056162'],
  ['a length without end', '12ffffffffffffff'],
  ['half a tag', '92'],
  ['field number 0', '020161'],
  ['a group', '4b4c'],
  ['text that is not UTF-8', '1201ff'],
  ['an entry that ends behind its field', '2a030a0561'],
  ['eight bytes of which three are there', '51010203'],
  ['a node that is none', '0a0108'],
] as const) {
  test(`${what} is refused as an invalid request`, () => {
    assert.throws(
      () => decodeDeltaRequest(Buffer.from(hex, 'hex')),
      (error) => isInvalid(error),
    );
  });
}

test('any bytes are read or refused', () => {
  const damaged = fc.tuple(request, fc.nat(), fc.nat({ max: 255 })).map(([init, at, byte]) => {
    const bytes = encoded(init);
    if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.uint8Array({ maxLength: 64 }).map((raw) => Buffer.from(raw)),
      ),
      (bytes) => {
        try {
          decodeDeltaRequest(bytes);
        } catch (error) {
          assert.ok(isInvalid(error), String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
