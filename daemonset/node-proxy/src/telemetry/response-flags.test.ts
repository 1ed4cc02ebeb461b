import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HboneError } from '@ambit/hbone';
import { IdentityError } from '@ambit/identity';
import { NetError } from '@ambit/net';
import {
  drainDeadline,
  errorText,
  NodeProxyError,
  podGone,
  policyChange,
  type ResponseFlag,
  responseFlagOf,
  revokedPeer,
  selfCall,
} from './response-flags.ts';

const net = (code: NetError['code'], cause?: unknown) => new NetError(code, 'net', { cause });
const hbone = (code: HboneError['code'], cause?: unknown) => new HboneError(code, 'hbone', { cause });
const revokedInHandshake = net(
  'ERR_NET_PEER_REFUSED',
  new IdentityError('ERR_IDENTITY_REVOKED', 'the certificate is revoked'),
);

const TABLE: readonly (readonly [string, unknown, ResponseFlag])[] = [
  ['no error', undefined, '-'],
  ['a policy', new NodeProxyError('ERR_NODE_PROXY_DENIED', 'denied'), 'DENY'],
  ['a later policy', policyChange(), 'DENY'],
  ['an unknown workload', new NodeProxyError('ERR_NODE_PROXY_UNKNOWN_WORKLOAD', 'x'), 'CONNECT'],
  ['no route', new NodeProxyError('ERR_NODE_PROXY_NO_ROUTE', 'x'), 'CONNECT'],
  ['a call of the proxy itself', selfCall(), 'CONNECT'],
  ['the drain deadline', drainDeadline(), 'CONNECT'],
  ['a pod that left', podGone(), 'CONNECT'],
  ['no certificate', new NodeProxyError('ERR_NODE_PROXY_IDENTITY', 'x'), 'IDENTITY_ERROR'],
  ['a certificate that makes no TLS', new NodeProxyError('ERR_NODE_PROXY_TLS', 'x'), 'TLS_FAILURE'],
  ['a refused TCP connection', hbone('ERR_HBONE_CONNECT', net('ERR_NET_CONNECT')), 'CONNECT'],
  ['a TCP timeout to a tunnel', hbone('ERR_HBONE_CONNECT_TIMEOUT', net('ERR_NET_CONNECT_TIMEOUT')), 'NETWORK_POLICY'],
  ['a TCP timeout without a tunnel', net('ERR_NET_CONNECT_TIMEOUT'), 'CONNECT'],
  ['a TLS handshake', hbone('ERR_HBONE_HANDSHAKE', net('ERR_NET_HANDSHAKE')), 'CONNECT'],
  ['another peer', hbone('ERR_HBONE_UNEXPECTED_PEER', net('ERR_NET_PEER_REFUSED')), 'CONNECT'],
  ['a status', hbone('ERR_HBONE_STATUS'), 'CONNECT'],
  ['a lost tunnel', hbone('ERR_HBONE_CONNECTION_LOST', net('ERR_NET_RESET')), 'H2_HANDSHAKE_FAILURE'],
  ['no pong', hbone('ERR_HBONE_PING_TIMEOUT'), 'H2_HANDSHAKE_FAILURE'],
  ['a reset stream', hbone('ERR_HBONE_RESET'), 'CONNECT'],
  ['a closed pool', hbone('ERR_HBONE_CLOSED'), 'CONNECT'],
  ['a copy error', new Error('send: x', { cause: net('ERR_NET_IO') }), 'CONNECT'],
  ['a revoked peer', revokedInHandshake, 'CERT_REVOKED'],
  ['what a revoked peer caused', hbone('ERR_HBONE_UNEXPECTED_PEER', revokedInHandshake), 'CERT_REVOKED'],
  ['a tunnel ended for a revocation', hbone('ERR_HBONE_CONNECTION_LOST', revokedPeer()), 'CERT_REVOKED'],
  ['something that is no error', 'text', 'CONNECT'],
];

test('each failure has the flag of the specification', () => {
  for (const [name, error, flag] of TABLE) assert.equal(responseFlagOf(error), flag, name);
});

test('a cause that is its own cause ends the search', () => {
  const error: Error & { cause?: unknown } = new Error('x');
  error.cause = error;
  assert.equal(responseFlagOf(error), 'CONNECT');
});

test('the texts that operators search for are those of ztunnel', () => {
  assert.deepEqual([policyChange(), drainDeadline(), selfCall(), revokedPeer()].map(errorText), [
    'connection closed due to policy change',
    'connection closed due to connection drain',
    'attempted recursive call to ourselves',
    'connection closed: peer certificate revoked by CRL',
  ]);
});
