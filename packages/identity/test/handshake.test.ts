// The peer check under real TLS 1.3 handshakes over loopback, through the engine of @ambit/net.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTlsContext, secureClient, secureServer } from '@ambit/net';
import type { SecureEndpoint } from '@ambit/net';
import { socketPair } from '@ambit/net/testing';

import { createPeerVerifier } from '../src/peer.ts';
import type { PeerIdentity, PeerVerifierOptions } from '../src/peer.ts';
import { testCa } from '../src/testing/index.ts';

type Side = PromiseSettledResult<SecureEndpoint<PeerIdentity>>;

/** One handshake between workload a (client) and workload b (server); each result is settled. */
async function handshake(
  clientChecks: Partial<PeerVerifierOptions>,
  serverChecks: Partial<PeerVerifierOptions>,
): Promise<[Side, Side]> {
  const ca = testCa({ intermediates: 1 });
  const [a, b] = await Promise.all([ca.issue(ca.identity('ns', 'a')), ca.issue(ca.identity('ns', 'b'))]);
  const [client, server] = await socketPair();
  const results = await Promise.allSettled([
    secureClient(client, createTlsContext(a), {
      verifyPeer: createPeerVerifier({ roots: ca.rootPem, peerRole: 'server', ...clientChecks }),
      timeoutMs: 2000,
    }),
    secureServer(server, createTlsContext(b), {
      verifyPeer: createPeerVerifier({ roots: ca.rootPem, peerRole: 'client', ...serverChecks }),
      timeoutMs: 2000,
    }),
  ]);
  for (const result of results) if (result.status === 'fulfilled') result.value.close();
  return results;
}

const uriOf = (side: Side): string => (side.status === 'fulfilled' ? side.value.peer.uri : String(side.reason));

test('both sides learn who the other one is', async () => {
  const expected = ['spiffe://cluster.local/ns/ns/sa/b'];
  const [client, server] = await handshake({ expected }, { trustDomain: 'cluster.local' });
  assert.equal(uriOf(client), 'spiffe://cluster.local/ns/ns/sa/b');
  assert.equal(uriOf(server), 'spiffe://cluster.local/ns/ns/sa/a');
});

test('a client refuses a server with another identity', async () => {
  const [client] = await handshake({ expected: ['spiffe://cluster.local/ns/ns/sa/c'] }, {});
  assert.equal(client.status, 'rejected');
});

test('a server refuses a client of another trust domain or of other roots', async () => {
  for (const checks of [{ trustDomain: 'elsewhere' }, { roots: testCa().rootPem }]) {
    const [, server] = await handshake({}, checks);
    assert.equal(server.status, 'rejected');
  }
});
