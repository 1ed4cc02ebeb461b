import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { SessionPersistenceSchema, SessionPersistence_Type } from '@ambit/proto/waypoint';
import { HeaderList } from './header-list.ts';
import { noPeer, type RequestView } from './request-view.ts';
import { issueSession, sessionOf } from './session.ts';

const policyOf = (more: MessageInitShape<typeof SessionPersistenceSchema> = {}) =>
  create(SessionPersistenceSchema, { type: SessionPersistence_Type.HEADER, name: 'X-Session', ...more });
const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });
const request = (raw: string[]): RequestView => ({
  peer: noPeer,
  sourceIp: '',
  remoteIp: '',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: '',
  path: '/',
  query: undefined,
  headers: HeaderList.fromRaw(raw),
});
const current = { backend: 'aa', endpoint: 'bb' };
const tokenAt = (policy: ReturnType<typeof policyOf>, nowSeconds: number): string => {
  const headers = HeaderList.empty();
  issueSession(policy, undefined, current, nowSeconds, headers);
  return headers.get('x-session') ?? '';
};

test('a token is read as it was written, until its times are over', () => {
  const policy = policyOf({ absolute: seconds(100), idle: seconds(10) });
  const token = tokenAt(policy, 1000);
  const at = (nowSeconds: number) => sessionOf(policy, request(['x-session', token]), nowSeconds)?.endpoint;
  assert.deepEqual([at(1000), at(1009), at(1010), at(1100)], ['bb', 'bb', undefined, undefined]);
});

test('with an idle time every response renews the session, and its absolute time runs on', () => {
  const policy = policyOf({ absolute: seconds(15), idle: seconds(10) });
  const known = sessionOf(policy, request(['x-session', tokenAt(policy, 1000)]), 1008);
  const headers = HeaderList.empty();
  issueSession(policy, known, current, 1008, headers);
  const renewed = request(['x-session', headers.get('x-session') ?? '']);
  assert.equal(sessionOf(policy, renewed, 1012)?.issuedSeconds, 1000);
  assert.equal(sessionOf(policy, renewed, 1015), undefined);
});

test('a cookie lives as long as the session where it is permanent', () => {
  const policy = policyOf({
    type: SessionPersistence_Type.COOKIE,
    name: 's',
    absolute: seconds(60),
    permanentCookie: true,
  });
  const headers = HeaderList.empty();
  issueSession(policy, undefined, current, 1000, headers);
  assert.match(headers.get('set-cookie') ?? '', /^s=[^;]+; Path=\/; Max-Age=60; HttpOnly$/);
});

test('any text is a session or none', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const session = sessionOf(policyOf(), request(['x-session', text]), 1000);
      assert.ok(session === undefined || text.split('.').length === 4);
    }),
  );
});
