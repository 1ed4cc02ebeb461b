import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { probe, type ProbeResult } from './probe.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

test('the image of the proxy probes targets and says which answered and why others did not', async () => {
  const server = createServer((_request, response) => response.end('node-a'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const words = ['--conditions=@ambit/source', main, 'probe', '--timeout', '0', target, '127.0.0.1:1'];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [status] = (await once(child, 'close')) as [number];
  server.close();
  assert.equal(status, 0);
  const results = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ProbeResult);
  assert.deepEqual(
    results.map((result) => [result.target, result.answeredBy, result.attempts]),
    [
      [target, 'node-a', 1],
      ['127.0.0.1:1', '', 1],
    ],
  );
  assert.match(results[1]?.error ?? '', /ECONNREFUSED/);
});

test('a target that answers later is asked again', async () => {
  const server = createServer((request, response) => {
    asked += 1;
    if (asked === 1) request.destroy();
    else response.end('node-b');
  });
  let asked = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const result = await probe(`127.0.0.1:${(server.address() as AddressInfo).port}`, 30_000);
  server.close();
  assert.deepEqual([result.answeredBy, result.attempts, result.error], ['node-b', 2, '']);
});
