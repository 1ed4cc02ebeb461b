// The order of an enrolment and of its reverse (spec node-agent 1.6), and what is left when a step fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolmentWorld, podOf } from './enrolment-world.ts';

test('a new pod: listeners, rules and probes, and only then the annotation', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  assert.deepEqual(world.did, ['prepare a', 'proxy-add a', 'rules a', 'probes 10.0.0.1=a', 'state a enabled']);
});

test('without a proxy the pod is pending, has no rules, and the failure names itself', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await assert.rejects(world.enrolment.enrol(podOf('a'), ['10.0.0.1']), { code: 'ERR_NODE_AGENT_NO_PROXY' });
  assert.deepEqual(world.did, ['prepare a', 'state a pending']);
  // The API has heard it: the next attempt does not say it again.
  await assert.rejects(world.enrolment.enrol(podOf('a', { state: 'pending' }), ['10.0.0.1']));
  assert.deepEqual(world.did, ['prepare a', 'state a pending', 'prepare a']);
});

test('rules that fail leave nothing behind: no listener, no probe, no annotation, nothing held', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  world.failing.add('rules');
  await assert.rejects(world.enrolment.enrol(podOf('a'), ['10.0.0.1']), { code: 'ERR_NODE_AGENT_RULES' });
  assert.equal(world.enrolment.holds('a'), false);
  assert.deepEqual(world.did.slice(-2), ['proxy-del a', 'probes '], world.did.join());
  assert.ok(world.did.every((line) => !line.startsWith('state')));
});

test('a probe exemption that fails keeps the pod captured, not annotated, and is made up for by the next attempt', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  world.failing.add('probes');
  await assert.rejects(world.enrolment.enrol(podOf('a'), ['10.0.0.1']), { code: 'ERR_NODE_AGENT_RULES' });
  assert.deepEqual(world.enrolment.captured('a')?.ips, ['10.0.0.1']);
  assert.ok(!world.did.includes('state a enabled'));
  world.failing.clear();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  assert.deepEqual(world.did.slice(-4).toSorted(), ['probes 10.0.0.1=a', 'proxy-add a', 'rules a', 'state a enabled']);
});

test('a pod that is captured already gets its rules back before a proxy is asked', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a', { state: 'enabled' }), ['10.0.0.1']);
  assert.ok(world.did.indexOf('rules a') < world.did.indexOf('proxy-add a'), world.did.join());
});

test('without a namespace nothing is done and nothing is held', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  world.namespaces.clear();
  await assert.rejects(world.enrolment.enrol(podOf('a'), ['10.0.0.1']), { code: 'ERR_NODE_AGENT_NETNS' });
  assert.deepEqual([world.did, world.enrolment.holds('a')], [[], false]);
});

test('out of the mesh: probes, rules, proxy, annotation; a deleted pod keeps its rules and its annotation', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  world.did.length = 0;
  await world.enrolment.remove(podOf('a'), false);
  assert.deepEqual(world.did, ['probes ', 'no-rules a', 'proxy-del a', 'state a none']);
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  world.did.length = 0;
  world.pods.delete('a');
  await world.enrolment.remove(podOf('a'), true);
  assert.deepEqual(world.did, ['probes ', 'proxy-del a']);
  assert.equal(world.enrolment.holds('a'), false);
});

test('a pod that has ended and stays in the API loses its annotation; when the API refuses, that is no failure', async () => {
  for (const failing of [[], ['state']]) {
    const world = enrolmentWorld([podOf('a')]);
    await world.connectProxy();
    await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
    world.did.length = 0;
    for (const name of failing) world.failing.add(name);
    await world.enrolment.remove(podOf('a', { phase: 'Succeeded', state: 'enabled' }), true);
    assert.deepEqual(world.did, ['probes ', 'proxy-del a', ...(failing.length > 0 ? [] : ['state a none'])]);
    assert.equal(world.enrolment.holds('a'), false);
  }
});

test('a removal that fails at the rules still holds the namespace, and the next attempt removes them', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  world.failing.add('no-rules');
  await assert.rejects(world.enrolment.remove(podOf('a'), false), { code: 'ERR_NODE_AGENT_RULES' });
  assert.ok(world.enrolment.holds('a'));
  assert.equal(world.did.at(-1), 'probes ', 'the exemption ends whatever happens later');
  world.failing.clear();
  await world.enrolment.remove(podOf('a'), false);
  assert.ok(world.did.includes('no-rules a'));
});

test('a pod that no agent holds any more still loses its rules: its namespace is looked up', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.enrolment.remove(podOf('a', { state: 'pending' }), false);
  assert.deepEqual(world.did, ['no-rules a', 'state a none']);
});

test('a captured pod whose address nobody tells is not let go with its rules: it is looked for until it is found or gone', async () => {
  const world = enrolmentWorld([podOf('a')]);
  world.namespaces.clear();
  const pod = podOf('a', { state: 'enabled', ips: [] });
  await assert.rejects(world.enrolment.remove(pod, false), { code: 'ERR_NODE_AGENT_NETNS' });
  assert.deepEqual(world.did, []);
  world.namespaces.set('a', 1n);
  await world.enrolment.remove(podOf('a', { state: 'enabled' }), false);
  assert.deepEqual(Array.from(world.did), ['no-rules a', 'state a none']);
  // One that was never captured, or has no process any more, has nothing to lose.
  for (const shape of [{ state: 'pending', ips: [] }, { state: 'enabled' }] as const) {
    world.namespaces.clear();
    await world.enrolment.remove(podOf('a', shape), false);
  }
});

test('an address goes to the pod that got it last, and stays with it when the first one leaves', async () => {
  const world = enrolmentWorld([podOf('a'), podOf('b')]);
  await world.connectProxy();
  for (const uid of ['a', 'b']) await world.enrolment.enrol(podOf(uid), ['10.0.0.1']);
  assert.ok(world.did.includes('probes 10.0.0.1=b'));
  world.did.length = 0;
  world.pods.delete('a');
  await world.enrolment.remove(podOf('a'), true);
  assert.deepEqual(world.did, ['proxy-del a']);
});

test('adds and removes of one pod never run at the same time, those of others do not wait', async () => {
  const world = enrolmentWorld([podOf('a'), podOf('b', { ips: ['10.0.0.2'] })]);
  await world.connectProxy();
  await Promise.all([
    world.enrolment.enrol(podOf('a'), ['10.0.0.1'], '/run/netns/a'),
    world.enrolment.enrol(podOf('a'), ['10.0.0.1']),
    world.enrolment.remove(podOf('a'), false),
    world.enrolment.enrol(podOf('b'), ['10.0.0.2']),
  ]);
  const ofA = world.did.filter((line) => line.split(' ')[1] === 'a');
  assert.deepEqual(
    [ofA[0], ofA.at(-1), ofA.filter((line) => line === 'state a enabled').length],
    ['prepare a', 'state a none', 2],
  );
  assert.deepEqual([world.enrolment.holds('a'), world.enrolment.holds('b')], [false, true]);
});

test('an enrolment that nobody waits for any more does not begin', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  const given = new AbortController();
  const first = world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  const second = world.enrolment.enrol(podOf('a'), ['10.0.0.9'], '/run/netns/a', given.signal);
  given.abort(new Error('the plugin went away'));
  await first;
  await assert.rejects(second, /the plugin went away/);
  assert.deepEqual(world.cache.get('a')?.ips, ['10.0.0.1']);
});

test('a proxy that refuses to let a pod go: the exemption has ended, the pod is still held, and the next attempt ends it', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  await world.enrolment.enrol(podOf('a'), ['10.0.0.1']);
  world.did.length = 0;
  world.failing.add('proxy-del');
  await assert.rejects(world.enrolment.remove(podOf('a'), false), { code: 'ERR_NODE_AGENT_NACK' });
  assert.deepEqual(world.did, ['probes ', 'no-rules a', 'proxy-del a']);
  assert.ok(world.enrolment.holds('a'));
  world.did.length = 0;
  world.failing.clear();
  await world.enrolment.remove(podOf('a'), false);
  assert.deepEqual(world.did, ['no-rules a', 'proxy-del a', 'state a none']);
});

test('a proxy that keeps a pod whose rules failed does not hide why they failed', async () => {
  const world = enrolmentWorld([podOf('a')]);
  await world.connectProxy();
  for (const what of ['rules', 'proxy-del']) world.failing.add(what);
  await assert.rejects(world.enrolment.enrol(podOf('a'), ['10.0.0.1']), { code: 'ERR_NODE_AGENT_RULES' });
  assert.equal(world.enrolment.holds('a'), false);
});
