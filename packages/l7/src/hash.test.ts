import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { HashPolicySchema } from '@ambit/proto/waypoint';
import { chooseByHash, hashKeyOf } from './hash.ts';
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
  assert.equal(keyOf({ key: { case: 'header', value: 'X-User' } }, ['x-user', 'a', 'x-user', 'b'])?.key, 'a,b');
  assert.equal(keyOf({ key: { case: 'header', value: 'X-User' } }), undefined);
  assert.equal(keyOf({ key: { case: 'query', value: 'user' } })?.key, 'ann');
  assert.equal(keyOf({ key: { case: 'sourceIp', value: true } })?.key, '10.1.2.3');
  assert.equal(keyOf({ key: { case: 'cookie', value: { name: 'c' } } }, ['cookie', 'b=1; c="x"'])?.key, 'x');
});

test('a cookie with a lifetime is made when the client has none', () => {
  const cookie = { name: 'c', path: '/', ttl: { seconds: 60n, nanos: 0 }, attributes: { SameSite: 'Lax' } };
  const made = keyOf({ key: { case: 'cookie', value: cookie } });
  assert.match(made?.setCookie ?? '', /^c="[0-9a-f]{16}"; Max-Age=60; Path=\/; SameSite=Lax; HttpOnly$/);
  assert.equal(made?.setCookie?.includes(made.key), true);
  assert.equal(keyOf({ key: { case: 'cookie', value: { name: 'c' } } }), undefined, 'without lifetime none is made');
});

const entries = Array.from({ length: 10 }, (_, index) => ({ name: `10.0.0.${index}`, weight: 1 }));
const choose = (key: string, list = entries) => chooseByHash(list, key, ({ name }) => name)?.name;
const keys = Array.from({ length: 2000 }, (_, index) => `user-${index}`);

test('keys spread evenly, by weight', () => {
  const counts = new Map<string, number>();
  const weighted = entries.map((entry, index) => ({ ...entry, weight: index === 0 ? 3 : 1 }));
  for (const key of keys) counts.set(choose(key, weighted) ?? '', (counts.get(choose(key, weighted) ?? '') ?? 0) + 1);
  for (const [name, count] of counts) {
    const share = name === '10.0.0.0' ? 500 : 167;
    assert.ok(count > share * 0.6 && count < share * 1.5, `${name} has ${count}`);
  }
});

test('an endpoint that goes moves only its own keys', () => {
  const left = entries.slice(1);
  for (const key of keys) {
    const before = choose(key);
    if (before !== '10.0.0.0') assert.equal(choose(key, left), before);
  }
  assert.equal(choose('x', []), undefined);
});
