import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { SessionPersistenceSchema, SessionPersistence_Type } from '@ambit/proto/waypoint';
import { HeaderList } from './header-list.ts';
import { noPeer, type RequestView } from './request-view.ts';
import { issueSession, sessionOf, type SessionSigner } from './session.ts';

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
/** No signature that anybody should use: the first half says who, the second what. */
const signerOf = (who: string): SessionSigner => ({
  sign: (text) => `${who}-${Buffer.from(text).toString('base64url').slice(-20)}`,
});
const signer = signerOf('us');
const current = { backend: 'aa', endpoint: 'bb' };
const tokenAt = (policy: ReturnType<typeof policyOf>, nowSeconds: number): string => {
  const headers = HeaderList.empty();
  issueSession(policy, signer, undefined, current, nowSeconds, headers);
  return headers.get('x-session') ?? '';
};

test('a token is read as it was written, until its times are over', () => {
  const policy = policyOf({ absolute: seconds(100), idle: seconds(10) });
  const token = tokenAt(policy, 1000);
  const at = (nowSeconds: number) => sessionOf(policy, signer, request(['x-session', token]), nowSeconds)?.endpoint;
  assert.deepEqual([at(1000), at(1009), at(1010), at(1100)], ['bb', 'bb', undefined, undefined]);
});

test('with an idle time every response renews the session, and its absolute time runs on', () => {
  const policy = policyOf({ absolute: seconds(15), idle: seconds(10) });
  const known = sessionOf(policy, signer, request(['x-session', tokenAt(policy, 1000)]), 1008);
  const headers = HeaderList.empty();
  issueSession(policy, signer, known, current, 1008, headers);
  const renewed = request(['x-session', headers.get('x-session') ?? '']);
  assert.equal(sessionOf(policy, signer, renewed, 1012)?.issuedSeconds, 1000);
  assert.equal(sessionOf(policy, signer, renewed, 1015), undefined);
});

test('a cookie lives as long as the session where it is permanent', () => {
  const policy = policyOf({
    type: SessionPersistence_Type.COOKIE,
    name: 's',
    absolute: seconds(60),
    permanentCookie: true,
  });
  const headers = HeaderList.empty();
  issueSession(policy, signer, undefined, current, 1000, headers);
  assert.match(headers.get('set-cookie') ?? '', /^s=[^;]+; Path=\/; Max-Age=60; HttpOnly$/);
});

test('a token that was signed by somebody else, for another name, or was changed is none', () => {
  const policy = policyOf();
  const token = tokenAt(policy, 1000);
  const read = (text: string, by = signer, rule = policy) => sessionOf(rule, by, request(['x-session', text]), 1000);
  assert.equal(read(token)?.endpoint, 'bb');
  assert.equal(read(token, signerOf('them')), undefined);
  const other = policyOf({ name: 'x-other' });
  assert.equal(sessionOf(other, signer, request(['x-other', token]), 1000), undefined);
  for (let at = 0; at < token.length; at++) {
    const changed = `${token.slice(0, at)}${token[at] === 'z' ? 'y' : 'z'}${token.slice(at + 1)}`;
    assert.equal(read(changed), undefined, changed);
  }
  for (const text of ['', '.', token.slice(0, -1), `${token}.`, `.${token}`, token.split('.').slice(0, 4).join('.')])
    assert.equal(read(text), undefined, text);
});

test('any text is a session or none, and what is signed says four things', () => {
  const policy = policyOf();
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.equal(sessionOf(policy, signer, request(['x-session', text]), 1000), undefined);
      const signed = `${text}.${signer.sign(`1\nX-Session\n${text}`)}`;
      const session = sessionOf(policy, signer, request(['x-session', signed]), 1000);
      assert.ok(session === undefined || text.split('.').length === 4);
    }),
  );
});
