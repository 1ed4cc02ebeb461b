import assert from 'node:assert/strict';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { type AdminRoute, createAdminServer } from './admin.ts';
import { silentLogger } from './log.ts';

async function serve(routes: Record<string, AdminRoute>, use: (base: string, port: number) => Promise<void>) {
  const server = createAdminServer({ routes, log: silentLogger });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as AddressInfo;
  try {
    await use(`http://127.0.0.1:${port}`, port);
  } finally {
    server.destroy();
  }
}

test('routes answer by exact path or longest prefix, everything else is 404', async () => {
  await serve(
    {
      '/ready': () => ({ body: 'ready\n' }),
      '/debug/*': ({ path, query, method }) => ({
        contentType: 'application/json',
        body: JSON.stringify([method, path, query.get('x')]),
      }),
      '/debug/deep/*': () => ({ body: 'deep' }),
    },
    async (base) => {
      assert.equal(await (await fetch(`${base}/ready`)).text(), 'ready\n');
      assert.equal(await (await fetch(`${base}//ready`)).text(), 'ready\n', 'as istioctl asks');
      assert.deepEqual(await (await fetch(`${base}/debug/a?x=1`, { method: 'POST' })).json(), [
        'POST',
        '/debug/a',
        '1',
      ]);
      assert.equal(await (await fetch(`${base}/debug/deep/a`)).text(), 'deep');
      assert.equal((await fetch(`${base}/__proto__`)).status, 404);
    },
  );
});

test('a failing route is 500 with the reason, a large body is refused', async () => {
  await serve(
    {
      '/fail': () => {
        throw new Error('no store');
      },
      '/body': async (request) => ({ body: String((await request.text()).length) }),
    },
    async (base) => {
      const failed = await fetch(`${base}/fail`);
      assert.deepEqual([failed.status, await failed.text()], [500, 'no store\n']);
      assert.equal(await (await fetch(`${base}/body`, { method: 'POST', body: 'abc' })).text(), '3');
      const large = fetch(`${base}/body`, { method: 'POST', body: 'x'.repeat(100_000) });
      assert.ok(
        await large.then(
          (response) => response.status === 500,
          () => true,
        ),
      );
    },
  );
});

test('a body may be streamed', async () => {
  async function* pieces(): AsyncGenerator<string> {
    yield 'a';
    yield 'b';
  }
  await serve({ '/stream': () => ({ body: pieces() }) }, async (base) => {
    assert.equal(await (await fetch(`${base}/stream`)).text(), 'ab');
  });
});

test('a peer that is not HTTP does not hurt', async () => {
  await serve({ '/': () => ({ body: 'ok' }) }, async (base, port) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.end('\u0016\u0003\u0001 not http\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve));
    assert.equal(await (await fetch(base)).text(), 'ok');
  });
});
