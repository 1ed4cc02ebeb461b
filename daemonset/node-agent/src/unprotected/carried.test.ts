import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uncarried, uncarriedTwice } from './carried.ts';
import type { TableView } from './table.ts';
import { viewOf } from './table.ts';
import { tableLine, tableOf } from './testing.ts';

const pod = '10.0.0.1';
const peer = '10.0.0.2';
const view = (...lines: readonly string[]): TableView => viewOf([tableOf(...lines)]);
const of = (seen: TableView): readonly string[] =>
  uncarried(seen).map(({ localPort, remoteAddress, remotePort }) => `${localPort} ${remoteAddress}:${remotePort}`);

/** The sockets of one carried connection of each kind, in both families of a dual-stack application. */
const carried = [
  // From a tunnel to the application, which sees its peer.
  tableLine(`${pod}:15008`, `${peer}:50001`),
  tableLine(`${peer}:41000`, `${pod}:8080`),
  tableLine(`[::ffff:${pod}]:8080`, `[::ffff:${peer}]:41000`),
  // Captured plaintext.
  tableLine(`[::ffff:${pod}]:15006`, `[::ffff:${peer}]:42000`),
  tableLine(`${peer}:42001`, `${pod}:8080`),
  tableLine(`${pod}:8080`, `${peer}:42001`),
  // From the application into a tunnel.
  tableLine(`${pod}:43000`, `${peer}:80`),
  tableLine(`127.0.0.1:15001`, `${pod}:43000`),
  tableLine(`${pod}:43001`, `${peer}:15008`),
  // Over IPv6.
  tableLine(`[fd00::1]:43000`, `[fd00::2]:80`),
  tableLine(`[::1]:15001`, `[fd00::1]:43000`),
  // A name over TCP.
  tableLine(`${pod}:44000`, `10.96.0.10:53`),
  tableLine(`127.0.0.1:15053`, `${pod}:44000`),
];

test('what a node proxy carries has another end in the pod, and the rest is from before', () => {
  assert.deepEqual(of(view(...carried)), []);
  assert.deepEqual(
    of(view(...carried, tableLine(`${pod}:8080`, `${peer}:40000`), tableLine(`${pod}:40001`, '10.0.0.3:5432'))),
    ['8080 10.0.0.2:40000', '40001 10.0.0.3:5432'],
  );
});

test('a carried connection whose proxy has ended its side already is none from before', () => {
  assert.deepEqual(
    of(view(tableLine(`${peer}:41000`, `${pod}:8080`, '04'), tableLine(`${pod}:8080`, `${peer}:41000`))),
    [],
  );
});

test('another connection of the same two pods does not hide one from before', () => {
  const other = [tableLine(`${peer}:41000`, `${pod}:8080`), tableLine(`${pod}:8080`, `${peer}:41000`)];
  assert.deepEqual(of(view(...other, tableLine(`${pod}:8080`, `${peer}:41001`))), ['8080 10.0.0.2:41001']);
});

test('half of a connection that one look shows is settled by a second look', () => {
  const old = tableLine(`${pod}:8080`, `${peer}:40000`);
  const half = tableLine(`${pod}:8080`, `${peer}:41000`);
  const looks = [view(old, half), view(old, half, tableLine(`${peer}:41000`, `${pod}:8080`))];
  assert.deepEqual(
    uncarriedTwice(() => looks.shift() ?? view()).map(({ remotePort }) => remotePort),
    [40_000],
  );
});
