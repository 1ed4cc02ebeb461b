import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCluster } from '@ambit/kube/testing';
import { silentLogger } from '@ambit/runtime/log';
import type { CallFacts } from '@ambit/xds/server';
import { createAuthenticator } from '../clients/authenticate.ts';
import { flowAccess } from './flow-access.ts';

const callWith = (token: string | undefined): CallFacts => ({
  header: (name) => (name === 'authorization' && token !== undefined ? `Bearer ${token}` : undefined),
  peer: 'test',
  isTls: true,
  peerCertificate: undefined,
});

function setUp() {
  const client = memoryCluster();
  const nobody = { isAuthenticated: true, groups: [], audiences: [], extra: {}, error: '' };
  client.tokens.set('anna', { ...nobody, username: 'anna' });
  for (const [token, account] of [
    ['node', 'istio-system:ztunnel'],
    ['gateway', 'shop:waypoint'],
    ['app', 'shop:web'],
  ] as const)
    client.tokens.set(token, {
      ...nobody,
      username: `system:serviceaccount:${account}`,
      groups: ['system:serviceaccounts'],
      audiences: ['istio-ca'],
      extra: { 'authentication.kubernetes.io/pod-name': [`${token}-pod`] },
    });
  const authenticator = createAuthenticator({
    client,
    clusterId: 'c1',
    audiences: ['istio-ca'],
    trustDomain: () => 'cluster.local',
    log: silentLogger,
  });
  const rules = flowAccess({
    client,
    authenticator,
    trustedAccounts: new Set(['istio-system/ztunnel']),
    servesGateway: (namespace, pod) => `${namespace}/${pod}` === 'shop/gateway-pod',
    log: silentLogger,
  });
  return { client, rules };
}

test('node proxies speak for every namespace, waypoints for their own, and nobody else reports', async () => {
  const { rules } = setUp();
  assert.deepEqual(await rules.admitReporter(callWith('node')), { namespace: undefined });
  assert.deepEqual(await rules.admitReporter(callWith('gateway')), { namespace: 'shop' });
  await assert.rejects(rules.admitReporter(callWith('app')), { code: 'ERR_XDS_PERMISSION_DENIED' });
  await assert.rejects(rules.admitReporter(callWith(undefined)), { code: 'ERR_XDS_UNAUTHENTICATED' });
});

test('who watches needs the permission in the namespace, or in all', async () => {
  const { client, rules } = setUp();
  await assert.rejects(rules.admitWatcher(callWith('anna'), 'shop'), { code: 'ERR_XDS_PERMISSION_DENIED' });
  client.access.add('anna watch telemetry.ambit.io/flows shop');
  await rules.admitWatcher(callWith('anna'), 'shop');
  await assert.rejects(rules.admitWatcher(callWith('anna'), 'bank'), /may not watch .* in namespace bank/);
  await assert.rejects(rules.admitWatcher(callWith('anna'), ''), /in all namespaces/);
  client.access.add('anna watch telemetry.ambit.io/flows *');
  await rules.admitWatcher(callWith('anna'), '');
  await assert.rejects(rules.admitWatcher(callWith('forged'), ''), { code: 'ERR_XDS_UNAUTHENTICATED' });
  await assert.rejects(rules.admitWatcher(callWith(undefined), ''), { code: 'ERR_XDS_UNAUTHENTICATED' });
});

test('a token for flows alone watches as its account may; one for another audience does not', async () => {
  const { client, rules } = setUp();
  const reader = 'system:serviceaccount:istio-system:reader';
  const review = { isAuthenticated: true, username: reader, groups: [], extra: {}, error: '' };
  client.tokens.set('flows', { ...review, audiences: ['flows.telemetry.ambit.io'] });
  client.tokens.set('other', { ...review, audiences: ['vault'] });
  await assert.rejects(rules.admitWatcher(callWith('flows'), 'shop'), { code: 'ERR_XDS_PERMISSION_DENIED' });
  client.access.add(`${reader} watch telemetry.ambit.io/flows *`);
  await rules.admitWatcher(callWith('flows'), '');
  await assert.rejects(rules.admitWatcher(callWith('other'), ''), { code: 'ERR_XDS_UNAUTHENTICATED' });
});

test('an API server that does not answer lets nobody watch', async () => {
  const { client, rules } = setUp();
  client.setDown(true);
  await assert.rejects(rules.admitWatcher(callWith('anna'), ''), { code: 'ERR_XDS_NOT_READY' });
});
