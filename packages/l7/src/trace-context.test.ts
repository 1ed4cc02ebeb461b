import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HeaderList } from './header-list.ts';
import { setTraceContext, traceContextOf } from './trace-context.ts';

const trace = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';
const read = (raw: string[], preferred: 'w3c' | 'b3' = 'w3c') => traceContextOf(HeaderList.fromRaw(raw), preferred);

describe('contexts in headers', () => {
  const known = { traceId: trace, spanId: span };
  const rows: readonly (readonly [string, string[], unknown])[] = [
    ['W3C, sampled', ['traceparent', `00-${trace}-${span}-01`], { ...known, isSampled: true }],
    ['W3C, not sampled', ['traceparent', `00-${trace}-${span}-00`], { ...known, isSampled: false }],
    ['a later version with more parts', ['traceparent', `01-${trace}-${span}-01-x`], { ...known, isSampled: true }],
    ['version 00 with more parts', ['traceparent', `00-${trace}-${span}-01-x`], undefined],
    ['version ff', ['traceparent', `ff-${trace}-${span}-01`], undefined],
    ['a trace of zeros', ['traceparent', `00-${'0'.repeat(32)}-${span}-01`], undefined],
    ['letters that are no digits', ['traceparent', `00-${'g'.repeat(32)}-${span}-01`], undefined],
    ['B3 single', ['b3', `${trace}-${span}-1`], { ...known, isSampled: true }],
    ['B3 single without decision', ['b3', `${trace}-${span}`], { ...known, isSampled: undefined }],
    ['B3 single, only a decision', ['b3', '0'], undefined],
    ['B3 multi', ['x-b3-traceid', trace, 'x-b3-spanid', span, 'x-b3-sampled', '0'], { ...known, isSampled: false }],
    ['B3 debug', ['x-b3-traceid', trace, 'x-b3-spanid', span, 'x-b3-flags', '1'], { ...known, isSampled: true }],
    [
      'B3 of 64 bits',
      ['x-b3-traceid', span, 'x-b3-spanid', span],
      { traceId: `${'0'.repeat(16)}${span}`, spanId: span, isSampled: undefined },
    ],
  ];
  for (const [name, raw, expected] of rows) {
    test(name, () => {
      assert.deepEqual(read(raw), expected);
    });
  }

  test('the preferred format wins, the other one helps out', () => {
    const other = 'a'.repeat(16);
    const raw = ['traceparent', `00-${trace}-${span}-01`, 'b3', `${trace}-${other}-0`];
    assert.equal(read(raw, 'w3c')?.spanId, span);
    assert.equal(read(raw, 'b3')?.spanId, other);
  });

  test('what is written is read again', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.constantFrom('w3c' as const, 'b3' as const), (isSampled, format) => {
        const headers = HeaderList.empty();
        const context = { traceId: trace, spanId: span, isSampled };
        setTraceContext(headers, context, format);
        assert.deepEqual(traceContextOf(headers, format), context);
      }),
    );
  });

  test('a request with B3 headers keeps them current', () => {
    const headers = HeaderList.fromRaw([
      'x-b3-traceid',
      trace,
      'x-b3-spanid',
      'c'.repeat(16),
      'x-b3-parentspanid',
      span,
    ]);
    setTraceContext(headers, { traceId: trace, spanId: span, isSampled: true }, 'w3c');
    assert.equal(headers.get('x-b3-spanid'), span);
    assert.equal(headers.has('x-b3-parentspanid'), false);
    assert.equal(headers.get('traceparent'), `00-${trace}-${span}-01`);
  });

  test('any text is a context or none', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        read(['traceparent', text]);
        read(['b3', text]);
      }),
    );
  });
});
