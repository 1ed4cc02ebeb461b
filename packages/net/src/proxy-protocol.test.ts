import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NetError } from './errors.ts';
import { encodeProxyV1, encodeProxyV2, parseProxyHeader, PROXY_TLV_IDENTITY } from './proxy-protocol.ts';

const port = fc.integer({ min: 0, max: 65_535 });
const four = fc.record({ ip: fc.ipV4(), port }, { noNullPrototype: true });

test('a version 2 header has the bytes of the specification', () => {
  const tlv = { type: PROXY_TLV_IDENTITY, value: Buffer.from('id') };
  const bytes = encodeProxyV2({ ip: '10.0.0.1', port: 4660 }, { ip: '10.0.0.2', port: 80 }, [tlv]);
  assert.equal(bytes.toString('hex'), '0d0a0d0a000d0a515549540a211100110a0000010a00000212340050d000026964');
});

test('mixed address families become unspecified and keep the fields', () => {
  const tlv = { type: PROXY_TLV_IDENTITY, value: Buffer.from('id') };
  const header = parseProxyHeader(encodeProxyV2({ ip: '::1', port: 1 }, { ip: '10.0.0.2', port: 80 }, [tlv]));
  assert.equal(header?.source, undefined);
  assert.equal(header?.tlvs.length, 1);
});

test('what is encoded parses back, whatever follows, and a cut header asks for more', () => {
  fc.assert(
    fc.property(four, four, fc.uint8Array({ maxLength: 50 }), fc.uint8Array(), (source, destination, value, rest) => {
      const v2 = encodeProxyV2(source, destination, [{ type: PROXY_TLV_IDENTITY, value }]);
      const header = parseProxyHeader(Buffer.concat([v2, rest]));
      assert.deepEqual([header?.source, header?.destination, header?.length], [source, destination, v2.length]);
      assert.deepEqual(Buffer.from(header?.tlvs[0]?.value ?? []), Buffer.from(value));
      const v1 = encodeProxyV1(source, destination);
      assert.deepEqual(parseProxyHeader(Buffer.concat([v1, rest]))?.source, source);
      for (let cut = 0; cut < v2.length; cut += 1) assert.equal(parseProxyHeader(v2.subarray(0, cut)), undefined);
    }),
    { numRuns: 200 },
  );
});

test('any bytes parse, ask for more, or are refused with a code', () => {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const start = fc.constantFrom(Buffer.alloc(0), signature, Buffer.from('PROXY TCP4 '), Buffer.from('PROXY '));
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (prefix, rest) => {
      try {
        parseProxyHeader(Buffer.concat([prefix, rest]));
      } catch (error) {
        assert.ok(NetError.is(error) && error.code === 'ERR_NET_MESSAGE', String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
