import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '@ambit/resources/testing';
import type { Caller } from '../clients/authenticate.ts';
import { PodIndex } from '../sources/pod-index.ts';
import { impersonationRefusal } from './impersonation.ts';

const caller: Caller = {
  identities: ['spiffe://cluster.local/ns/istio-system/sa/default'],
  namespace: 'istio-system',
  serviceAccount: 'default',
  podName: 'ztunnel-1',
  podUid: 'uid-istio-system-ztunnel-1',
  clusterId: 'Kubernetes',
};
const wanted = { trustDomain: 'cluster.local', namespace: 'apps', serviceAccount: 'default' };

function index(): PodIndex {
  const pods = new PodIndex();
  pods.apply([
    { type: 'upsert', object: testPod('istio-system', 'ztunnel-1', '10.0.0.1') },
    { type: 'upsert', object: testPod('apps', 'web-1', '10.0.0.2') },
  ]);
  return pods;
}

const ask = async (
  change: Partial<Caller> = {},
  identity = wanted,
  clusterId: string | undefined = 'Kubernetes',
  pods = index(),
  waitMs = 0,
): Promise<string | undefined> =>
  impersonationRefusal(
    {
      podsOf: (id) => (id === 'Kubernetes' || id === 'other' ? pods : undefined),
      trustedAccounts: new Set(['istio-system/default']),
      trustDomains: () => ['cluster.local', 'old.example'],
      waitMs,
    },
    { ...caller, ...change },
    identity,
    clusterId,
  );

test('a node proxy may act for pods of its own node', async () => {
  assert.equal(await ask(), undefined);
  assert.equal(await ask({}, { ...wanted, trustDomain: 'old.example' }), undefined);
});

test('everything else is refused with its reason', async () => {
  assert.match((await ask({ serviceAccount: 'other' })) ?? '', /not a trusted node account/);
  assert.match((await ask({ podName: '' })) ?? '', /not bound to a pod/);
  assert.match((await ask({ podUid: 'forged' })) ?? '', /another uid/);
  assert.match((await ask({ podName: 'gone' })) ?? '', /not known/);
  assert.match((await ask({}, { ...wanted, serviceAccount: 'admin' })) ?? '', /no pod of apps\/admin/);
  assert.match((await ask({}, { ...wanted, trustDomain: 'evil.example' })) ?? '', /not ours/);
  assert.match((await ask({}, wanted, 'other')) ?? '', /token is of cluster Kubernetes/);
  assert.match((await ask({}, wanted, 'foreign')) ?? '', /cluster foreign is not known/);
  assert.match((await ask({}, wanted, '')) ?? '', /cluster/);
});

test('a pod on another node does not count, and neither does one that is gone', async () => {
  const pods = index();
  const elsewhere = testPod('apps', 'web-1', '10.0.0.2');
  pods.apply([
    { type: 'upsert', object: { ...elsewhere, spec: { ...elsewhere.spec, containers: [], nodeName: 'node-b' } } },
  ]);
  assert.match((await ask({}, wanted, 'Kubernetes', pods)) ?? '', /no pod of apps\/default on node node-a/);
  pods.apply([{ type: 'delete', kind: 'Pod', namespace: 'apps', name: 'web-1' }]);
  assert.match((await ask({}, wanted, 'Kubernetes', pods)) ?? '', /no pod/);
});

test('a request that is faster than the watch waits for the pod', async () => {
  const pods = index();
  const answer = ask({}, { ...wanted, serviceAccount: 'late' }, 'Kubernetes', pods, 1_000);
  const late = testPod('apps', 'late', '10.0.0.3');
  pods.apply([
    { type: 'upsert', object: { ...late, spec: { nodeName: 'node-a', serviceAccountName: 'late', containers: [] } } },
  ]);
  assert.equal(await answer, undefined);
});
