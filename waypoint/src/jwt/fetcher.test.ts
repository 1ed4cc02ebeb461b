import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock } from '@ambit/runtime/testing';
import { COOL_DOWN_MS, createJwksFetcher, fetchJwks, REFRESH_MS } from './fetcher.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const uri = 'https://issuer/keys';

const startFetcher = () => {
  const clock = createFakeClock();
  const published: (string | undefined)[] = [];
  const answers: (string | Error)[] = [];
  let fetches = 0;
  const fetcher = createJwksFetcher({
    clock,
    log: silentLogger,
    publish: (_uri, json) => published.push(json),
    get: async () => {
      fetches += 1;
      const answer = answers.shift() ?? 'keys';
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { clock, published, answers, fetcher, fetches: () => fetches };
};

describe('key sets of issuers', () => {
  test('are fetched when named, refreshed by age, forgotten when nobody names them', async () => {
    const { clock, published, fetcher, fetches } = startFetcher();
    fetcher.retain(new Set([uri]));
    await turn();
    assert.deepEqual(published, ['keys']);
    fetcher.retain(new Set([uri]));
    await clock.advance(REFRESH_MS);
    await turn();
    assert.equal(fetches(), 2);
    fetcher.retain(new Set());
    assert.equal(published.at(-1), undefined);
    await clock.advance(REFRESH_MS * 2);
    await turn();
    assert.equal(fetches(), 2);
    fetcher.close();
  });

  test('a failure keeps what is known and is repeated ever more slowly', async () => {
    const { clock, published, answers, fetcher, fetches } = startFetcher();
    answers.push('first', new Error('down'), new Error('down'), 'second');
    fetcher.retain(new Set([uri]));
    await turn();
    await clock.advance(REFRESH_MS);
    await turn();
    assert.deepEqual(published, ['first', 'first']);
    await clock.advance(1000);
    await turn();
    await clock.advance(1000);
    await turn();
    assert.equal(fetches(), 3, 'two seconds after the second failure');
    await clock.advance(1000);
    await turn();
    assert.equal(published.at(-1), 'second');
    fetcher.close();
  });

  test('a wish is always answered, but fetches only after the cool-down', async () => {
    const { clock, published, fetcher, fetches } = startFetcher();
    fetcher.retain(new Set([uri]));
    await turn();
    fetcher.want(uri);
    assert.deepEqual([fetches(), published.length], [1, 2]);
    await clock.advance(COOL_DOWN_MS);
    fetcher.want(uri);
    fetcher.want(uri);
    await turn();
    assert.deepEqual([fetches(), published.length], [2, 3]);
    fetcher.want('https://nobody');
    assert.equal(published.at(-1), undefined);
    fetcher.close();
  });

  test('only plain documents of 200 are taken', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/keys' });
      else if (request.url === '/gone') response.writeHead(404);
      response.end(request.url === '/huge' ? 'x'.repeat(1_100_000) : '{"keys":[]}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const get = (path: string): Promise<string> => fetchJwks(path, AbortSignal.timeout(2000));
    try {
      assert.equal(await get(`${base}/keys`), '{"keys":[]}');
      for (const path of [`${base}/moved`, `${base}/gone`, `${base}/huge`, 'file:///etc/passwd', 'nonsense'])
        await assert.rejects(get(path), path);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
