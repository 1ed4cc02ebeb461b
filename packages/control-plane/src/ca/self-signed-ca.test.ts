import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificatesOfPem, createKeyAndCsr, createPeerVerifier } from '@ambit/identity';
import { memoryCluster } from '@ambit/kube/testing';
import { silentLogger } from '@ambit/runtime/log';
import { keepAuthority } from './authority-keeper.ts';
import { rotateSelfSigned, selfSignedMaterial } from './self-signed-ca.ts';

const lives = { defaultTtlMs: 3_600_000, maxTtlMs: 7_200_000 };
const identity = 'spiffe://cluster.local/ns/apps/sa/web';
const DAY_MS = 24 * 3_600_000;

async function replica(cluster = memoryCluster()) {
  const options = { client: cluster, namespace: 'istio-system', trustDomain: 'cluster.local', log: silentLogger };
  const keeper = keepAuthority(await selfSignedMaterial(options), lives);
  return { cluster, keeper, rotate: (now?: number) => rotateSelfSigned({ ...options, keeper, ...(now && { now }) }) };
}

test('replicas that start together share one root', async () => {
  const cluster = memoryCluster();
  const [one, two] = await Promise.all([replica(cluster), replica(cluster)]);
  assert.equal(one.keeper.material.certPem, two.keeper.material.certPem);
});

test('a root near its end is renewed with the same key; peers with the old root still trust new certificates', async () => {
  const { cluster, keeper, rotate } = await replica();
  const other = await replica(cluster);
  assert.equal(await rotate(), 'kept');
  const old = keeper.material;
  assert.equal(await rotate(Date.now() + 3_000 * DAY_MS), 'renewed');
  assert.notEqual(keeper.material.certPem, old.certPem);
  assert.equal(await other.rotate(), 'reloaded');
  assert.equal(other.keeper.material.certPem, keeper.material.certPem);

  const { csrPem } = await createKeyAndCsr(identity);
  const { chainPem } = other.keeper.current.issue(csrPem, [identity]);
  // The renewed root is not valid yet on the clock of this test, so the leaf is checked against the old one.
  const verify = createPeerVerifier({ roots: old.rootPem, peerRole: 'client', expected: [identity] });
  assert.equal(verify(certificatesOfPem(chainPem[0])).uri, identity);
});

test('a renewal that cannot be stored is taken back', async () => {
  const cluster = memoryCluster();
  const { keeper } = await replica(cluster);
  const before = keeper.material;
  const client = { ...cluster, update: () => Promise.reject(new Error('no')) };
  const options = { client, namespace: 'istio-system', trustDomain: 'cluster.local', log: silentLogger };
  await assert.rejects(rotateSelfSigned({ ...options, keeper, now: Date.now() + 3_000 * DAY_MS }));
  assert.equal(keeper.material, before);
});
