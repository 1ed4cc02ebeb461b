import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionsOf, UnprotectedConnections } from './unprotected.ts';

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (local: string, remote: string, state: string): string =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n`;
const toRatings = line('0501F40A:A000', '0702F40A:2382', '01');
const toItself = line('0100007F:A001', '0100007F:2382', '01');
const listening = line('00000000:2382', '00000000:0000', '0A');

test('established connections are read with addresses and ports', () => {
  const [connection, ...others] = connectionsOf(header + toRatings + listening);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [connection?.localAddress, connection?.remoteAddress, connection?.remotePort],
    ['10.244.1.5', '10.244.2.7', 9090],
  );
});

test('an IPv4 connection of a dual-stack socket is read as IPv4', () => {
  const mapped = line('0000000000000000FFFF00000501F40A:2382', '0000000000000000FFFF00000702F40A:A000', '01');
  assert.equal(connectionsOf(header + mapped)[0]?.localAddress, '10.244.1.5');
});

test('only connections from before the enrolment count, until they end', () => {
  const unprotected = new UnprotectedConnections();
  unprotected.begin('uid', connectionsOf(header + toRatings + toItself));
  assert.equal(unprotected.count('uid'), 1);
  const later = line('0501F40A:B000', '0702F40A:2382', '01');
  assert.equal(unprotected.refresh('uid', connectionsOf(header + toRatings + later)), 1);
  assert.equal(unprotected.refresh('uid', connectionsOf(header + later)), 0);
  assert.equal(unprotected.total(), 0);
});

test('a table with broken lines is read as far as it goes', () => {
  assert.deepEqual(connectionsOf(`${header}nonsense\n 1: x\n`), []);
});
