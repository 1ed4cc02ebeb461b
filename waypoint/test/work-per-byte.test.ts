// What the most expensive bytes of a client cost, in blocks of our own code that run for them (goal R4 of performance-and-
// reliability 6.2): at most ten times what the bytes of the smallest ordinary request cost. Counted, not timed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Work, WorkShape } from '../src/testing/count-work.ts';

const get = (target: string, fields = ''): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const size = 50_000;
const fill = (text: string): string => text.repeat(Math.floor(size / text.length));
const token = (payload: string): string =>
  ['{"alg":"RS256","kid":"unknown"}', payload].map((part) => Buffer.from(part).toString('base64url')).join('.');

/** One request of a client that means well; all others are measured by it. */
const ordinary: WorkShape = {
  name: 'ordinary',
  pieces: [get('/service-1/index.html', 'User-Agent: curl/8.5.0\r\nAccept: */*\r\nX-User: ann\r\n').repeat(200)],
  answers: 200,
};

const one = (name: string, ...pieces: string[]): WorkShape => ({ name, pieces, answers: 1 });
const shapes: readonly WorkShape[] = [
  { name: 'as many requests as fit', pieces: [get('/').repeat(1000)], answers: 1000 },
  one('one large field', get('/', `X-Large: ${'v'.repeat(size)}\r\n`)),
  one(
    'as many fields as are allowed',
    get('/', Array.from({ length: 98 }, (_one, index) => `a${index}:b\r\n`).join('')),
  ),
  one('the same field again and again', get('/', 'x-role:b\r\n'.repeat(98))),
  one('a head in single bytes', ...get('/', `X-Slow: ${'v'.repeat(500)}\r\n`).split('')),
  one(
    'a body in chunks of one byte',
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(5000)}0\r\n\r\n`,
  ),
  one('a path that goes up and down', get(`/${fill('a/../')}`)),
  one('a path of dots', get(`/${fill('./')}`)),
  one('a path of slashes', get(fill('/'))),
  one('a path in escapes', get(`/${fill('%61%2e%2F')}`)),
  one('a path for every regular expression', get(`/${fill('a')}/${'c'.repeat(1000)}/1x`)),
  one('a query of many parameters', get(`/?${fill('w=&')}`)),
  one('a field for a regular expression', get('/by-header', `X-Kind: ${'x'.repeat(size)}\r\n`)),
  one('a cookie of many pairs', get('/', `Cookie: ${fill('a=b;')}\r\n`)),
  one('addresses of many proxies', get('/', `X-Forwarded-For: ${fill('1.1.1.1,')}\r\n`)),
  one('many transfer codings and connection options', get('/', `TE: ${fill('a,')}\r\nConnection: keep-alive\r\n`)),
  one('a token that is none', get('/', `X-Token: ${fill('.')}\r\n`)),
  one('a token with a key that nobody has', get('/', `X-Token: ${token('{"iss":"me"}')}.c2ln\r\n`)),
  one(
    'a token with a deep payload',
    get('/', `X-Token: ${token(`{"iss":"me","a":${'['.repeat(15_000)}${']'.repeat(15_000)}}`)}.c2ln\r\n`),
  ),
  one('a name of the limit for each request', get('/', `X-User: ${'u'.repeat(size)}\r\n`)),
];

test('no bytes cost more than ten times those of an ordinary request', { timeout: 120_000 }, async (t) => {
  const worker = new Worker(new URL('../src/testing/count-work.ts', import.meta.url), {
    workerData: [ordinary, ...shapes],
  });
  const found = await new Promise<readonly Work[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the worker ended without an answer')));
  });
  await worker.terminate();
  const perByte = ({ blocks, bytes }: Work): number => blocks / bytes;
  const unit = perByte(found[0] as Work);
  assert.ok(unit > 1, `${unit} blocks for a byte: the counters do not count`);
  for (const work of found)
    t.diagnostic(`${work.name}: ${work.bytes} bytes, ${(perByte(work) / unit).toFixed(2)} times`);
  for (const work of found)
    assert.ok(
      perByte(work) <= 10 * unit,
      `${work.name}: ${(perByte(work) / unit).toFixed(1)} times the work for a byte`,
    );
});
