import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { chooseEncoding, compressed } from './compress.ts';

test('the encoding with the highest weight is chosen, unknown and refused ones never', () => {
  const table: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['gzip', 'gzip'],
    ['GZIP;q=0.5, br;q=0.9', 'br'],
    ['gzip;q=0', undefined],
    ['deflate, gzip', 'gzip'],
    ['gzip;q=nonsense', undefined],
  ];
  for (const [header, expected] of table) assert.equal(chooseEncoding(header), expected, String(header));
});

test('each encoding gives the text back, a short text is left alone', async () => {
  const text = 'istio_tcp_connections_opened_total{reporter="source"} 1\n'.repeat(50);
  const decode = { zstd: zstdDecompressSync, gzip: gunzipSync, br: brotliDecompressSync, deflate: inflateSync };
  for (const [name, back] of Object.entries(decode)) {
    const { body, headers } = await compressed(text, name);
    assert.equal(headers['content-encoding'], name);
    assert.equal(back(body as Buffer).toString(), text);
  }
  assert.equal((await compressed('short', 'gzip')).body, 'short');
});

test('any header gives one of the known encodings or none', () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      assert.ok([undefined, 'zstd', 'gzip', 'br', 'deflate'].includes(chooseEncoding(header)));
    }),
  );
});
