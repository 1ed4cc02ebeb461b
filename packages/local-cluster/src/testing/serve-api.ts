/**
 * A bare API server as a process, for replay tests: no controllers, no nodes. In: argv[2] = state folder; out: one JSON
 * line `{ port, token, caPem, timeMs, webhook }` on standard output. `compact` on standard input forgets old changes, `tick` moves the clock by a second; the end of standard input
 * ends the process.
 */

import { createInterface } from 'node:readline';
import { silentLogger } from '@ambit/runtime/log';
import { createApiServer } from '../api/api-server.ts';
import { createCa, createServingCertificate } from '../auth/certificate.ts';

const [, , stateDir = ''] = process.argv;
const startMs = Date.now();
let ticks = 0;
const server = await createApiServer({
  stateDir,
  log: silentLogger,
  // A clock that stands still: entries of one scenario sort as if written within one second.
  now: () => startMs + ticks * 1000,
  tokens: { 'limited-token': { username: 'limited' } },
});
const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
// For a webhook of the test on 127.0.0.1.
const webhookCa = createCa(startMs);
const webhook = { caPem: webhookCa.certPem, ...createServingCertificate(webhookCa, ['127.0.0.1'], startMs) };
const started = { port, token: server.adminToken, caPem: server.caPem, timeMs: startMs, webhook };
process.stdout.write(`${JSON.stringify(started)}\n`);
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (line === 'compact') server.compact();
  if (line === 'tick') ticks++;
  process.stdout.write('done\n');
});
input.on('close', () => void server.close());
