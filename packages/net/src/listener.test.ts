import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from './connect.ts';
import { bindListener, listen } from './listener.ts';
import { isNativeAvailable } from './native/libc.ts';

/** The timer column of an established connection in /proc/net/tcp: 2 is keepalive. */
function timerOf(localPort: number): string | undefined {
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  const columns = rows.map((row) =>
    row
      .trim()
      .split(' ')
      .filter((part) => part !== ''),
  );
  const own = columns.find(
    ([, local = '', , state]) => Number.parseInt(local.split(':')[1] ?? '', 16) === localPort && state === '01',
  );
  return own?.[5]?.split(':')[0];
}

for (const [name, keepalive, expected] of [
  [
    'accepted connections have the keepalive of their listener',
    { idleMs: 60_000, intervalMs: 60_000, probes: 9 },
    '02',
  ],
  ['without one they have none', undefined, '00'],
] as const) {
  test(name, { skip: !isNativeAvailable() }, async () => {
    const domain = { kind: 'loopback', address: '127.76.0.1' } as const;
    const accepted = Promise.withResolvers<void>();
    const fd = bindListener(domain, { port: 0 });
    const options = keepalive === undefined ? {} : { keepalive };
    const listener = await listen(fd, {
      ...options,
      onConnection: (endpoint) => {
        endpoint.onClose = () => undefined;
        accepted.resolve();
      },
    });
    const client = await connect(domain, { host: '127.76.0.1', port: listener.address.port });
    await accepted.promise;
    assert.equal(timerOf(listener.address.port), expected);
    client.destroy(new Error('the test ended'));
    listener.close();
  });
}
