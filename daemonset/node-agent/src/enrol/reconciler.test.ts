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

/** Lets everything that waits for nothing but its turn happen. */
const turns = async (): Promise<void> => {
  for (let count = 0; count < 20; count += 1) await new Promise((resolve) => setImmediate(resolve));
};

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
  await turns();
  assert.deepEqual(world.did, ['prepare a'], 'not even the state could be told');
  world.failing.clear();
  await world.until('state a pending');
  await world.connectProxy();
  await world.until('state a enabled');
  update(world, 'a', { state: 'enabled' });
  world.reconciler.close();
  assert.deepEqual(
    world.events.map(({ reason }) => reason),
    // Of each kind: the API did not answer, there was no proxy.
    ['AmbientCaptureFailed', 'AmbientCaptureFailed', 'AmbientCaptureSettled'],
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
  await turns();
  assert.deepEqual(
    world.events.map(({ reason }) => reason),
    ['AmbientCaptureFailed'],
  );
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

test('the label of a namespace takes its pods in, also those from before, and its end takes them out', async () => {
  const world = enrolmentWorld([podOf('a', { labels: {} })]);
  await world.connectProxy();
  const relabel = (labels: Readonly<Record<string, string>>): void => {
    world.labels.set('shop', labels);
    world.reconciler.onNamespace({ metadata: { name: 'shop', labels } });
  };
  update(world, 'a', { labels: {} });
  await turns();
  assert.equal(world.did.length, 0);
  relabel({ 'istio.io/dataplane-mode': 'ambient' });
  await world.until('state a enabled');
  update(world, 'a', { labels: {}, state: 'enabled' });
  relabel({ 'istio.io/dataplane-mode': 'none' });
  await world.until('state a none');
  assert.ok(world.did.includes('no-rules a'));
  world.reconciler.close();
});

test('a namespace that goes from one selector to another: pods of the first leave, pods of the second come', async () => {
  const selector = (tier: string, mesh: string) => ({
    podSelector: { matchLabels: { tier } },
    namespaceSelector: { matchLabels: { mesh } },
  });
  const shapes = { a: { labels: { tier: 'one' } }, b: { labels: { tier: 'two' }, ips: ['10.0.0.2'] } };
  const world = enrolmentWorld([podOf('a', shapes.a), podOf('b', shapes.b)], {
    selectors: [selector('one', 'blue'), selector('two', 'green')],
  });
  await world.connectProxy();
  world.labels.set('shop', { mesh: 'blue' });
  update(world, 'a', shapes.a);
  update(world, 'b', shapes.b);
  await world.until('state a enabled');
  update(world, 'a', { ...shapes.a, state: 'enabled' });
  assert.ok(!world.enrolment.holds('b'));
  world.labels.set('shop', { mesh: 'green' });
  world.reconciler.onNamespace({ metadata: { name: 'shop' } });
  await Promise.all([world.until('state a none'), world.until('state b enabled')]);
  world.reconciler.close();
});

test('in an excluded namespace enrolled pods leave, with their rules when they live, and others are left alone', async () => {
  const world = enrolmentWorld([podOf('left'), podOf('gone'), podOf('new')], { excludedNamespaces: ['shop'] });
  await world.connectProxy();
  // An agent without this exclusion was here before; one of them is deleted.
  await world.enrolment.enrol(podOf('gone'), ['10.0.0.2']);
  world.did.length = 0;
  world.pods.delete('gone');
  world.reconciler.onPodGone(podOf('gone', { state: 'enabled' }));
  update(world, 'left', { state: 'enabled' });
  update(world, 'new');
  await Promise.all([world.until('proxy-del gone'), world.until('state left none')]);
  await turns();
  assert.ok(world.did.includes('no-rules left'));
  assert.ok(
    world.did.every((line) => !line.endsWith(' new')),
    world.did.join(),
  );
  world.reconciler.close();
});

test('a pod whose namespace cannot be found is not called pending, and is tried again without an event', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  world.namespaces.clear();
  update(world, 'a');
  await turns();
  assert.deepEqual([world.did, world.events.map(({ reason }) => reason)], [[], ['AmbientCaptureFailed']]);
  world.namespaces.set('a', 1n);
  await world.until('state a enabled');
  assert.ok(!world.did.includes('state a pending'));
  world.reconciler.close();
});

test('what happens to a pod while it is being enrolled is looked at afterwards, as it is then: what was in between does not count', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  update(world, 'a');
  // Out of the mesh, another address, and back: by the time it is looked at there is nothing to do.
  update(world, 'a', { labels: {} });
  update(world, 'a', { ips: ['10.0.0.8'] });
  update(world, 'a', { state: 'enabled' });
  await world.until('state a enabled');
  await turns();
  assert.deepEqual(
    world.did.filter((line) => line !== 'prepare a'),
    ['proxy-add a', 'rules a', 'probes 10.0.0.1=a', 'state a enabled'],
  );
  world.reconciler.close();
});
