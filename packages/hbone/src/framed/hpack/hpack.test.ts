// HPACK against the examples of RFC 7541 appendix C, against itself, and against its limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ErrorCode, Http2ProtocolError } from '../protocol.ts';
import { FIELD_OVERHEAD_BYTES, type FieldList, HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from './huffman.ts';

const LIST_LIMIT = 65_536;

function decode(decoder: HpackDecoder, hex: string, limit = LIST_LIMIT): FieldList {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decoder.decode(bytes, 0, bytes.length, limit).fields;
}

test('requests with Huffman coding and a dynamic table (RFC 7541 C.4)', () => {
  const decoder = new HpackDecoder(4096);
  const first = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
  assert.deepEqual(decode(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), first);
  assert.deepEqual(decode(decoder, '8286 84be 5886 a8eb 1064 9cbf'), [...first, 'cache-control', 'no-cache']);
  assert.deepEqual(decode(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'), [
    ':method',
    'GET',
    ':scheme',
    'https',
    ':path',
    '/index.html',
    ':authority',
    'www.example.com',
    'custom-key',
    'custom-value',
  ]);
  assert.equal(decoder.tableBytes, 164);
});

test('responses whose table evicts (RFC 7541 C.6)', () => {
  const decoder = new HpackDecoder(256);
  const date = 'Mon, 21 Oct 2013 20:13:21 GMT';
  assert.deepEqual(
    decode(
      decoder,
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    ),
    [':status', '302', 'cache-control', 'private', 'date', date, 'location', 'https://www.example.com'],
  );
  assert.deepEqual(decode(decoder, '4883 640e ffc1 c0bf'), [
    ':status',
    '307',
    'cache-control',
    'private',
    'date',
    date,
    'location',
    'https://www.example.com',
  ]);
  assert.equal(decoder.tableBytes, 222);
});

test('what is encoded is decoded again, block after block, with whatever table size the peer asks for', () => {
  const name = fc.stringMatching(/^[a-z][a-z-]{0,20}$/);
  const value = fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map((c) => String.fromCharCode(c)),
    maxLength: 200,
  });
  const repeated = fc.constantFrom(
    ['baggage', 'k8s.namespace.name=shop,k8s.deployment.name=web'],
    [':authority', '10.0.0.1:80'],
    [':status', '200'],
    ['baggage', 'x'.repeat(3000)],
  );
  const block = fc.array(fc.oneof(fc.tuple(name, value), repeated), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(fc.tuple(block, fc.option(fc.integer({ min: 0, max: 9000 })))), (blocks) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(9000);
      for (const [pairs, size] of blocks) {
        if (size !== null) encoder.setPeerTableSize(size);
        const fields = pairs.flat() as string[];
        const bytes = encoder.encode(fields);
        assert.deepEqual(decoder.decode(bytes, 0, bytes.length, 1e9).fields, fields);
      }
    }),
    { numRuns: 200 },
  );
});

test('a field that repeats costs one byte the second time', () => {
  const encoder = new HpackEncoder();
  const fields = ['baggage', 'k8s.namespace.name=shop'];
  assert.ok(encoder.encode(fields).length > 10);
  assert.equal(encoder.encode(fields).length, 1);
});

test('every octet survives the Huffman code', () => {
  const text = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
  const coded = Buffer.alloc(huffmanLength(text));
  assert.equal(encodeHuffman(text, coded, 0), coded.length);
  assert.equal(decodeHuffman(coded, 0, coded.length), text);
});

test('padding of eight bits, padding with zeros and EOS are refused', () => {
  for (const hex of ['1fff', '18', 'ffffffff', 'ff']) {
    const bytes = Buffer.from(hex, 'hex');
    assert.equal(decodeHuffman(bytes, 0, bytes.length), undefined, hex);
  }
  assert.equal(decodeHuffman(Buffer.from('1f', 'hex'), 0, 1), 'a');
});

test('broken blocks are a COMPRESSION_ERROR', () => {
  const broken = {
    'index 0': '80',
    'index beyond the table': 'be',
    'integer without its end': '7f80',
    'integer too large': '7fffffffff7f',
    'integer too long': '7f808080808000',
    'string beyond the block': '00056162',
    'nothing after a name': '0001 61',
    'size over the limit': '3fe2 1f',
    'size update after a field': '82 20',
    'huffman padding': '0081 1801 61',
  };
  for (const [what, hex] of Object.entries(broken)) {
    assert.throws(
      () => decode(new HpackDecoder(4096), hex),
      (error: unknown) => error instanceof Http2ProtocolError && error.code === ErrorCode.COMPRESSION_ERROR,
      what,
    );
  }
});

test('a list over its limit is cut, and the table is right all the same', () => {
  const decoder = new HpackDecoder(4096);
  const block = Buffer.from(`40 01 61 01 62 ${'be '.repeat(1000)}`.replaceAll(' ', ''), 'hex');
  const limit = 10 * (2 + FIELD_OVERHEAD_BYTES);
  const decoded = decoder.decode(block, 0, block.length, limit);
  assert.equal(decoded.isTooLong, true);
  assert.equal(decoded.fields.length, 20);
  assert.deepEqual(decode(decoder, 'be'), ['a', 'b']);
});

test('any bytes decode or are refused, and the table stays within its limit', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (blocks) => {
      const decoder = new HpackDecoder(1000);
      for (const bytes of blocks) {
        try {
          decoder.decode(Buffer.from(bytes), 0, bytes.length, 4096);
        } catch (error) {
          assert.ok(error instanceof Http2ProtocolError);
        }
        assert.ok(decoder.tableBytes <= 1000);
      }
    }),
    { numRuns: 1000 },
  );
});
