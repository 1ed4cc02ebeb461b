// What a new agent takes over from an earlier one (spec node-agent 7.3).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { adoptEnrolled } from './adopt.ts';
import { type EnrolmentWorld, enrolmentWorld, podOf } from './enrolment-world.ts';

const adopt = async (world: EnrolmentWorld): Promise<void> => adoptEnrolled({ ...world, log: silentLogger });

const proxyPod = (): KubernetesObject => {
  const pod = podOf('proxy', { state: 'enabled', ips: ['10.0.0.9'], labels: { app: 'ztunnel' } });
  return { ...pod, metadata: { ...pod.metadata, namespace: 'istio-system' } };
};

test('pods annotated enabled that have not ended are taken over, whole and at once; others are not', async () => {
  const world = enrolmentWorld([
    podOf('a', { state: 'enabled' }),
    podOf('b', { state: 'enabled', ips: ['10.0.0.2', 'fd00::2'] }),
    podOf('ended', { state: 'enabled', phase: 'Succeeded' }),
    podOf('pending', { state: 'pending' }),
    podOf('new'),
    proxyPod(),
  ]);
  await adopt(world);
  assert.deepEqual(
    world.cache.list().map(({ uid, capture }) => `${uid} ${capture}`),
    ['a installed', 'b installed'],
  );
  assert.deepEqual(world.did, ['probes 10.0.0.1=a 10.0.0.2=b fd00::2=b', 'rules a', 'rules b']);
});

test('a pod whose namespace is not found, or whose rules fail, is kept by name and is not counted as captured', async () => {
  const pods = ['a', 'b', 'c'].map((uid, index) => podOf(uid, { state: 'enabled', ips: [`10.0.0.${index}`] }));
  const world = enrolmentWorld(pods);
  world.namespaces.delete('a');
  world.failing.add('rules b');
  await adopt(world);
  assert.deepEqual(
    world.cache
      .list()
      .map(({ uid, capture, netns }) => `${uid} ${capture} ${netns === undefined ? 'by name' : 'held'}`),
    ['a expected by name', 'b expected held', 'c installed held'],
  );
});

test("node rules that cannot be written stop the start, after every pod is known: a proxy's snapshot would be whole", async () => {
  const world = enrolmentWorld([podOf('a', { state: 'enabled' })]);
  world.failing.add('probes');
  await assert.rejects(adopt(world), { code: 'ERR_NODE_AGENT_RULES' });
  assert.equal(world.cache.list().length, 1);
});

test("a pod whose address the API does not tell yet is taken over with the one that its probes are exempt for, and with nobody else's", async () => {
  const world = enrolmentWorld([podOf('known', { state: 'enabled' }), podOf('late', { state: 'enabled', ips: [] })]);
  world.hostPrint = 'elements = { 10.0.0.7 comment "late", fd00::7 comment "late", 10.0.0.8 comment "gone" }';
  const wanted: unknown[] = [];
  const { find } = world.capture;
  await adopt({
    ...world,
    capture: { ...world.capture, find: (pods) => (wanted.push(...pods.map(({ ips }) => ips.join())), find(pods)) },
  });
  assert.deepEqual(wanted, ['10.0.0.1', '10.0.0.7,fd00::7'], 'its namespace is looked for by them');
  assert.deepEqual(world.did, ['probes 10.0.0.1=known 10.0.0.7=late fd00::7=late', 'rules known', 'rules late']);
});
