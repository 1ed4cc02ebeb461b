// What events of pods and namespaces lead to (spec node-agent 1.5).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EnrolmentWorld, enrolmentWorld, podOf } from './enrolment-world.ts';

/** The API changes a pod and says so. */
function update(world: EnrolmentWorld, uid: string, shape: Parameters<typeof podOf>[1] = {}): void {
  const pod = podOf(uid, shape);
  world.pods.set(uid, pod);
  world.reconciler.onPod(pod);
}

/** A node that has enrolled pod `a`, whose annotation the API shows. */
async function enrolled(): Promise<EnrolmentWorld> {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  update(world, 'a');
  await world.until('state a enabled');
  update(world, 'a', { state: 'enabled' });
  return world;
}

test('a pod with addresses of both families is enrolled with both, one without an address waits for it', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  update(world, 'a', { ips: [] });
  update(world, 'b', { ips: [] });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.did.length, 0);
  update(world, 'a', { ips: ['10.0.0.1', 'fd00::1'] });
  await world.until('state a enabled');
  assert.match(world.did.join(), /probes 10\.0\.0\.1=a fd00::1=a/);
  world.reconciler.close();
});

test('what fails is tried again until it works; users read once why, and once that it is over', async () => {
  const world = enrolmentWorld([podOf('a')]);
  world.failing.add('state a pending');
  update(world, 'a');
  world.failing.clear();
  await world.until('state a pending');
  await world.connectProxy();
  await world.until('state a enabled');
  update(world, 'a', { state: 'enabled' });
  world.reconciler.close();
  assert.deepEqual(
    world.events.map(({ reason }) => reason),
    ['AmbientCaptureFailed', 'AmbientCaptureSettled'],
  );
});

test('a pod that waits for a node proxy is enrolled when one is there, not when its time comes', async (t) => {
  // No time passes: only the proxy can move the pod on.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const turnsUntil = async (line: string): Promise<void> => {
    for (let turn = 0; turn < 2000 && !world.did.includes(line); turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    assert.ok(world.did.includes(line), world.did.join());
  };
  const world = enrolmentWorld([podOf('a')]);
  update(world, 'a');
  await turnsUntil('state a pending');
  await world.connectProxy();
  await turnsUntil('state a enabled');
  world.reconciler.close();
});

test('a running pod whose annotation asks for other rules gets them, once', async () => {
  const world = await enrolled();
  world.did.length = 0;
  const pod = podOf('a', { state: 'enabled' });
  const metadata = {
    ...pod.metadata,
    annotations: { ...pod.metadata?.annotations, 'ambient.istio.io/dns-capture': 'false' },
  };
  const asking = { ...pod, metadata };
  world.pods.set('a', asking);
  world.reconciler.onPod(asking);
  await world.until('state a enabled');
  assert.deepEqual(world.did, ['rules a', 'proxy-add a', 'state a enabled']);
  world.reconciler.onPod(asking);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.did.length, 3);
  world.reconciler.close();
});

test('an event that changes nothing does nothing, and a change of addresses moves the exemption alone', async () => {
  const world = await enrolled();
  world.did.length = 0;
  update(world, 'a', { state: 'enabled' });
  update(world, 'a', { state: 'enabled', ips: [] });
  update(world, 'a', { state: 'enabled', ips: ['10.0.0.7'] });
  await world.until('probes 10.0.0.7=a');
  assert.deepEqual(world.did, ['probes 10.0.0.7=a']);
  world.reconciler.close();
});

test('a job that has ended leaves once, also when its address is gone with it and the first attempt fails', async () => {
  const world = await enrolled();
  world.failing.add('probes');
  update(world, 'a', { state: 'enabled', phase: 'Succeeded', ips: [] });
  world.failing.clear();
  await world.until('proxy-del a');
  update(world, 'a', { phase: 'Succeeded', ips: [] });
  world.reconciler.onPodGone(podOf('a', { phase: 'Succeeded', ips: [] }));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.did.filter((line) => line === 'proxy-del a').length, 1);
  assert.ok(!world.did.includes('no-rules a'), 'its namespace goes by itself');
  world.reconciler.close();
});

test('a deleted pod leaves although its namespace is gone too; one that was never here is nobody', async () => {
  const world = await enrolled();
  world.pods.clear();
  world.reconciler.onPodGone({ ...podOf('a'), metadata: { uid: 'a', name: 'a', namespace: 'gone' } });
  world.reconciler.onPodGone(podOf('never'));
  await world.until('proxy-del a');
  assert.ok(!world.did.includes('proxy-del never'));
  world.reconciler.close();
});

test('a label that goes takes the pod out; a namespace that changes has its pods looked at again', async () => {
  const world = await enrolled();
  update(world, 'a', { state: 'enabled', labels: {} });
  await world.until('state a none');
  world.did.length = 0;
  update(world, 'a', { labels: {} });
  world.reconciler.onNamespace({ metadata: { name: 'shop' } });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(world.did, []);
  world.reconciler.close();
});

test('a pod that has vanished before its event is looked at is left alone', async () => {
  const world = enrolmentWorld([podOf('a'), podOf('b', { ips: ['10.0.0.2'] })]);
  await world.connectProxy();
  world.reconciler.onPod(podOf('a'));
  world.reconciler.onPodGone(podOf('a'));
  world.reconciler.onPod(podOf('b', { ips: ['10.0.0.2'] }));
  await world.until('state b enabled');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.enrolment.holds('a'), false);
  world.reconciler.close();
});
