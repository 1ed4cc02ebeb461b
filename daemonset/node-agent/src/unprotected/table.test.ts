import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { connectionOf, viewOf } from './table.ts';
import { tableLine, tableOf } from './testing.ts';

test('connections are read with addresses, ports and the number of their socket; listening ports apart', () => {
  const view = viewOf([
    tableOf(
      tableLine('10.244.1.5:40960', '10.244.2.7:9090', '01', 77),
      tableLine('[fe80::1]:8080', '[fd00::2]:50000', '01', 78),
      tableLine('0.0.0.0:9090', '0.0.0.0:0', '0A'),
      tableLine('10.244.1.5:40961', '10.244.2.7:9090', '06'),
      tableLine('10.244.1.5:40962', '10.244.2.7:9090', '08'),
    ),
  ]);
  assert.deepEqual(
    view.established.map(({ localAddress, localPort, remoteAddress, remotePort, socket }) =>
      [localAddress, localPort, remoteAddress, remotePort, socket].join(' '),
    ),
    ['10.244.1.5 40960 10.244.2.7 9090 77', 'fe80::1 8080 fd00::2 50000 78'],
  );
  assert.deepEqual([...view.listening], [9090]);
  assert.equal(view.ends.length, 3, 'what waits for its port to be free belongs to nobody');
});

test('an IPv4 connection of a dual-stack socket is read as IPv4', () => {
  const mapped = tableOf(tableLine('[::ffff:10.244.1.5]:9090', '[::ffff:10.244.2.7]:40960'));
  assert.equal(viewOf([mapped]).established[0]?.localAddress, '10.244.1.5');
});

test('a table with broken lines is read as far as it goes, and no text breaks it', () => {
  assert.deepEqual(viewOf([`${tableOf()}nonsense\n 1: x\n 2: 00:1 00:1 01 0 0 0 0 0 1\n`]).ends, []);
  fc.assert(fc.property(fc.array(fc.string()), (lines) => void viewOf([tableOf(...lines)])));
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (local, remote, socket) => {
      assert.equal(connectionOf(local, remote, socket), undefined);
    }),
  );
});

test("this machine's own table is read", { skip: process.platform === 'linux' ? false : 'needs /proc' }, () => {
  const text = readFileSync('/proc/net/tcp', 'latin1');
  const { ends, listening } = viewOf([text]);
  const lines = text.trimEnd().split('\n').slice(1);
  const other = lines.filter((line) => ['0A', '06'].includes(line.split(' ').filter((part) => part !== '')[3] ?? ''));
  assert.equal(ends.length, lines.length - other.length);
  assert.ok(listening.size <= other.length);
});
