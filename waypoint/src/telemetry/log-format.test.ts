import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '@ambit/l7';
import fc from 'fast-check';
import { compileJsonFormat, compileTextFormat } from './log-format.ts';
import { RequestRecord } from './request-record.ts';

const recordOf = (): RequestRecord => {
  const tunnel = {
    peer: { principal: 'spiffe://td/ns/a/sa/b' },
    sourceIp: '10.1.2.3',
    clientAddress: '10.1.2.3:5',
    authority: '10.96.0.1:80',
    frontend: { hostname: 'h' },
  };
  const record = new RequestRecord(
    {
      tunnel: tunnel as never,
      protocol: 'HTTP/1.1',
      method: 'GET',
      path: '/a?b=1',
      authority: 'reviews',
      userAgent: undefined,
      forwardedFor: undefined,
      requestHeaderBytes: 10,
      headers: HeaderList.fromRaw(['X-A', 'one "two"\n', 'Authorization', 'Bearer secret']),
      isGrpc: false,
    },
    () => undefined,
  );
  record.status = 200;
  record.responseHeaders = HeaderList.fromRaw(['x-b', 'yes']);
  return record;
};

test('operators, alternatives, lengths and percent signs', () => {
  const line = compileTextFormat(
    '%REQ(:METHOD)% %REQ(X-NO?:PATH)% %REQ_WITHOUT_QUERY(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESP(X-B):2% 100%% %REQ(x-none)% %DOWNSTREAM_PEER_URI_SAN%\n',
  )(recordOf());
  assert.equal(line, 'GET /a?b=1 /a 200 - ye 100% - spiffe://td/ns/a/sa/b');
});

test('what peers send cannot forge a line, and credentials are not logged', () => {
  assert.equal(compileTextFormat('%REQ(X-A)% %REQ(AUTHORIZATION)%')(recordOf()), 'one \\x22two\\x22\\x0a -');
});

test('JSON fields keep numbers, and null for what is absent', () => {
  const line = compileJsonFormat({ code: '%RESPONSE_CODE%', flags: '%RESPONSE_FLAGS%', text: 'is %RESPONSE_CODE%' })(
    recordOf(),
  );
  assert.deepEqual(JSON.parse(line), { code: 200, flags: null, text: 'is 200' });
});

test('times as asked for', () => {
  const record = recordOf();
  const [date, millis] = compileTextFormat('%START_TIME(%Y-%m-%d)% %START_TIME(%3f)%')(record).split(' ');
  assert.equal(date, new Date(record.startedAtMs).toISOString().slice(0, 10));
  assert.equal(millis?.length, 3);
});

test('any format compiles, and text without operators stays as it is', () => {
  const record = recordOf();
  fc.assert(
    fc.property(fc.string(), (format) => {
      const line = compileTextFormat(format)(record);
      if (!format.includes('%') && !format.endsWith('\n')) assert.equal(line, format);
    }),
  );
});
