import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema } from '@ambit/proto/discovery';
import fc from 'fast-check';
import { encodeResponse } from './encode-response.ts';
import type { XdsResource } from './resource-source.ts';

test('shared frames decode to the same response as a plain encoding', () => {
  const resource = fc.record({
    name: fc.string(),
    version: fc.string(),
    bytes: fc.uint8Array({ maxLength: 300 }),
    aliases: fc.array(fc.string(), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(
      fc.array(resource),
      fc.array(fc.string()),
      fc.boolean(),
      fc.boolean(),
      (resources, removed, withAliases, isShared) => {
        const pending = { typeUrl: 'type.googleapis.com/t', resources, removed, withAliases, isShared };
        for (const nonce of ['first', 'second']) {
          const decoded = fromBinary(DeltaDiscoveryResponseSchema, encodeResponse(pending, nonce, 'now/1'));
          assert.equal(decoded.typeUrl, pending.typeUrl);
          assert.equal(decoded.nonce, nonce);
          assert.equal(decoded.systemVersionInfo, 'now/1');
          assert.deepEqual(decoded.removedResources, removed);
          assert.deepEqual(
            decoded.resources.map((item) => [item.name, item.version, item.aliases, [...(item.resource?.value ?? [])]]),
            resources.map((item) => [item.name, item.version, withAliases ? item.aliases : [], [...item.bytes]]),
          );
        }
      },
    ),
  );
});

test('a large resource keeps its length, and the content type may differ from the subscribed one', () => {
  const resource: XdsResource = {
    name: 'big',
    version: '1',
    bytes: new Uint8Array(3_000_000),
    contentTypeUrl: 'type.googleapis.com/other',
  };
  const bytes = encodeResponse(
    { typeUrl: 't', resources: [resource, resource], removed: [], withAliases: false },
    'n',
    'v',
  );
  const decoded = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  assert.equal(decoded.resources[1]?.resource?.value.length, 3_000_000);
  assert.equal(decoded.resources[0]?.resource?.typeUrl, 'type.googleapis.com/other');
});
