import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { HashPolicySchema } from '@ambit/proto/waypoint';
import { hashKeyOf, hashOfConnection } from './hash.ts';
import { xxHash64 } from './hash/xxhash64.ts';
import { HeaderList } from './header-list.ts';
import { noPeer, type RequestView } from './request-view.ts';

const request = (raw: string[] = []): RequestView => ({
  peer: noPeer,
  sourceIp: '10.1.2.3',
  remoteIp: '10.1.2.3',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'a',
  path: '/',
  query: 'user=ann&user=bob',
  headers: HeaderList.fromRaw(raw),
});
const keyOf = (key: MessageInitShape<typeof HashPolicySchema>, raw: string[] = []) =>
  hashKeyOf(create(HashPolicySchema, key), request(raw), '10.1.2.3:5');

test('keys come from header, query, address and cookie', () => {
  const header = { key: { case: 'header' as const, value: 'X-User' } };
  assert.deepEqual(keyOf(header, ['x-user', 'a'])?.hash, xxHash64('a'));
  const both = xxHash64('b', xxHash64('a'));
  assert.deepEqual(keyOf(header, ['x-user', 'a', 'x-user', 'b'])?.hash, both);
  assert.deepEqual(keyOf(header, ['x-user', 'b', 'x-user', 'a'])?.hash, both, 'in any order');
  assert.equal(keyOf({ key: { case: 'header', value: 'X-User' } }), undefined);
  assert.deepEqual(keyOf({ key: { case: 'query', value: 'user' } })?.hash, xxHash64('ann'));
  assert.deepEqual(keyOf({ key: { case: 'sourceIp', value: true } })?.hash, xxHash64('10.1.2.3'));
  const cookie = keyOf({ key: { case: 'cookie', value: { name: 'c' } } }, ['cookie', 'b=1; c="x"']);
  assert.deepEqual(cookie?.hash, xxHash64('x'));
});

test('a cookie with a lifetime is made when the client has none', () => {
  const cookie = { name: 'c', path: '/', ttl: { seconds: 60n, nanos: 0 }, attributes: { SameSite: 'Lax' } };
  const made = keyOf({ key: { case: 'cookie', value: cookie } });
  assert.match(made?.setCookie ?? '', /^c="[0-9a-f]{16}"; Max-Age=60; Path=\/; SameSite=Lax; HttpOnly$/);
  const value = made?.setCookie?.slice(3, 19) ?? '';
  assert.deepEqual(keyOf({ key: { case: 'cookie', value: cookie } }, ['cookie', `c=${value}`])?.hash, made?.hash);
  assert.equal(keyOf({ key: { case: 'cookie', value: { name: 'c' } } }), undefined, 'without lifetime none is made');
});

test('raw connections are hashed by their address alone', () => {
  const policy = (key: NonNullable<MessageInitShape<typeof HashPolicySchema>['key']>) =>
    create(HashPolicySchema, { key });
  assert.deepEqual(hashOfConnection(policy({ case: 'sourceIp', value: true }), '10.1.2.3'), xxHash64('10.1.2.3'));
  assert.equal(hashOfConnection(policy({ case: 'header', value: 'x-user' }), '10.1.2.3'), undefined);
});
