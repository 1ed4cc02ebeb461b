import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { openApiV2Bytes } from './open-api-v2.ts';

test('the second version of the document says what it is and describes nothing', () => {
  const fieldsOf = (bytes: Uint8Array): [number, Uint8Array][] => {
    const reader = new BinaryReader(bytes);
    const fields: [number, Uint8Array][] = [];
    while (reader.pos < reader.len) fields.push([reader.tag()[0], reader.bytes()]);
    return fields;
  };
  const [swagger, info, paths] = fieldsOf(openApiV2Bytes('v1.2.3'));
  assert.deepEqual(swagger, [1, new TextEncoder().encode('2.0')]);
  assert.equal(info?.[0], 2);
  assert.deepEqual(fieldsOf(info[1])[1], [2, new TextEncoder().encode('v1.2.3')]);
  assert.deepEqual(paths, [8, new Uint8Array()]);
});
