import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAnswer, postLocal } from './local-http.ts';

async function serving(
  server: { listen: (path: string) => unknown; close: () => unknown } & NodeJS.EventEmitter,
): Promise<Disposable & { readonly path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-local-'));
  const path = join(folder, 's.sock');
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    [Symbol.dispose]() {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

test('a server of HTTP/1.1 gets path and body, and its answer is understood, long or empty', async () => {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${request.headers['content-type']} ${text}`);
      response.statusCode = request.url === '/add' ? 500 : 200;
      // In pieces: to a client of HTTP/1.1 this would be a chunked answer.
      if (request.url === '/add') for (let count = 0; count < 3; count += 1) response.write('größer '.repeat(10_000));
      response.end();
    });
  });
  using given = await serving(server);
  assert.deepEqual(await postLocal(given.path, '/add', '{"ü":1}', 5000), {
    status: 500,
    body: 'größer '.repeat(30_000),
  });
  assert.deepEqual(await postLocal(given.path, '/empty', '', 5000), { status: 200, body: '' });
  assert.deepEqual(seen, ['POST /add application/json {"ü":1}', 'POST /empty application/json ']);
});

test('a server that is not there, is silent, is cut off, or talks without end is an error in time', async () => {
  await assert.rejects(postLocal('/nowhere/s.sock', '/', '', 1000), { code: 'ENOENT' });
  const answers: Readonly<Record<string, (socket: Socket) => void>> = {
    silent: () => undefined,
    'cut off': (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'),
    nonsense: (socket) => void socket.end('220 mail.example ESMTP\r\n\r\n'),
    nothing: (socket) => void socket.end(),
    endless: (socket) => {
      const more = (): void => void (socket.destroyed || socket.write(Buffer.alloc(64 * 1024), more));
      socket.write('HTTP/1.1 200 OK\r\n\r\n', more);
    },
  };
  for (const [what, answer] of Object.entries(answers)) {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      answer(socket);
    });
    using given = await serving(server);
    await assert.rejects(postLocal(given.path, '/', '', what === 'silent' ? 50 : 20_000), Error, what);
    for (const socket of sockets) socket.destroy();
  }
});

test('any bytes are an answer or an error', () => {
  const line = fc.constantFrom(
    'HTTP/1.1 200 OK',
    'HTTP/1.0 500 no',
    'content-length: 3',
    'Content-Length: x',
    '',
    'abc',
  );
  const bytes = fc.oneof(
    fc.uint8Array().map((array) => Buffer.from(array)),
    fc.array(line).map((lines) => Buffer.from(lines.join('\r\n'))),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      try {
        const { status } = parseAnswer(given);
        assert.ok(Number.isInteger(status) && status >= 0 && status <= 999);
      } catch (error) {
        assert.match((error as Error).message, /bytes/);
      }
    }),
  );
});
