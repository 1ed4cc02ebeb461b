import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryCluster } from '@ambit/kube/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createAuthenticator } from './authenticate.ts';
import { forwardedIdentity, isTrustedPeer, readTrustedNetworks } from './forwarded-certificate.ts';

const WEB = 'spiffe://td/ns/apps/sa/web';

test('the last element tells the identity: earlier ones were written by whoever called the gateway', () => {
  const uriOf = (header: string): string | undefined => forwardedIdentity(header)?.uri;
  assert.equal(uriOf(`By=spiffe://td/ns/i/sa/gw;Hash=ab;Subject="CN=a,O=\\"b;c\\"";URI=${WEB}`), WEB);
  assert.equal(uriOf(`URI=spiffe://td/ns/kube-system/sa/admin,By=x;URI=${WEB}`), WEB);
  assert.equal(uriOf(`Subject=",URI=${WEB}"`), undefined);
  for (const header of [
    '',
    'x',
    `URI=${WEB};URI=spiffe://td/ns/a/sa/b`,
    'URI=https://td',
    `URI=${WEB},`,
    `URI="${WEB}`,
    `DNS=web;Subject="CN=web"`,
    `URI=${WEB};${'x'.repeat(20_000)}=`,
  ])
    assert.equal(uriOf(header), undefined, header.slice(0, 50));
});

test('whatever stands in a header, it is read or refused, and what is read is an identity', () => {
  const parts = fc.constantFrom('URI=', WEB, '"', '\\', ';', ',', '=', 'x', ' ', 'By=');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 20 }), fc.string(), (list, tail) => {
      const read = forwardedIdentity(list.join('') + tail);
      if (read !== undefined) assert.ok(read.uri.startsWith('spiffe://'));
    }),
  );
});

test('only peers in the networks are trusted, and entries that are no network are refused', () => {
  const networks = readTrustedNetworks(['10.1.0.0/16', '2001:db8::/32']);
  for (const peer of ['10.1.255.1:80', '::ffff:10.1.2.3:4', '2001:db8::1:9', '[2001:db8::1]:9'])
    assert.equal(isTrustedPeer(peer, networks), true, peer);
  for (const peer of ['10.2.0.1:80', '127.0.0.1:1', '::1:2', '', 'unknown', 'admin', '10.1.0.1'])
    assert.equal(isTrustedPeer(peer, networks), false, peer);
  assert.throws(() => readTrustedNetworks(['10.0.0.1']), /no network/);
  assert.throws(() => readTrustedNetworks(['all/0']), /no network/);
});

test('the word of a gateway counts last, and only from where gateways are', async () => {
  const authenticator = createAuthenticator({
    client: memoryCluster(),
    clusterId: 'Kubernetes',
    audiences: ['istio-ca'],
    trustDomain: () => 'td',
    trustedGateways: readTrustedNetworks(['10.1.0.0/16']),
    log: silentLogger,
  });
  const ask = async (peer: string, uri = WEB) =>
    authenticator.authenticate({ authorization: undefined, peer, forwarded: `URI=${uri}` });
  const caller = await ask('10.1.0.9:4711');
  assert.deepEqual([caller?.identities, caller?.namespace, caller?.podName], [[WEB], 'apps', '']);
  assert.equal(await ask('10.9.0.9:4711'), undefined);
  assert.equal(await ask('10.1.0.9:4711', 'spiffe://other/ns/apps/sa/web'), undefined);
  assert.equal(await ask('127.0.0.1:4711'), undefined);
});
