import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { classify } from './sniff.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

describe('the first bytes', () => {
  const cases: [string, boolean, string | undefined][] = [
    [preface, false, 'http2'],
    [preface, true, 'http2'],
    [preface.slice(0, 10), false, undefined],
    ['GET / HTTP/1.1', false, 'http1'],
    ['G', false, undefined],
    ['GET', false, undefined],
    ['OPTIONS *', false, 'http1'],
    ['POST http://a/', false, 'http1'],
    ['PROPFIND /x', false, 'http1'],
    ['HELO there', false, 'http1'],
    ['get /', false, 'tcp'],
    ['\u0000', false, 'tcp'],
    ['\u0016\u0003\u0001', false, 'tls'],
    ['\u0016\u0003\u0001', true, 'http1'],
    ['X'.repeat(40), false, 'tcp'],
    ['', false, undefined],
  ];
  for (const [text, httpOnly, expected] of cases) {
    test(`${JSON.stringify(text.slice(0, 16))} on a ${httpOnly ? 'declared' : 'unknown'} port: ${expected ?? 'wait'}`, () => {
      assert.equal(classify(Buffer.from(text, 'latin1'), httpOnly), expected);
    });
  }
  test('a verdict never changes with more bytes, and 64 bytes are always enough', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 96 }), (bytes) => {
        const all = Buffer.from(bytes);
        let first: string | undefined;
        for (let length = 1; length <= all.length && first === undefined; length++)
          first = classify(all.subarray(0, length), false);
        assert.notEqual(first, undefined);
        assert.equal(classify(all, false), first);
      }),
    );
  });
});
