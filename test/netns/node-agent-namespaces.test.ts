// How a real node agent finds the network namespace of a pod that runs, and whose it never takes. Root only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, namespacesOf } from '../fixtures/agent-process.ts';
import { createAgentNode, nodeIp } from '../fixtures/node-agent.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const timeout = 90_000;

test(
  "a foreign process in a pod's namespace, and one of the pod elsewhere, mislead nobody",
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [one, two] = [node.pod('one', '10.202.0.1'), node.pod('two', '10.202.0.2')];
    // Older than the pods' own processes, and looked at before them.
    node.foreignProcess(10, one, two);
    node.foreignProcess(11, two, one);
    const agent = await node.start({ NATIVE_NFTABLES: 'true' });
    using _proxy = await node.proxy();
    node.label('one', 'ambient');
    await node.until('one', 'enabled');
    assert.match(one.rules(), /15001/);
    assert.equal(two.rules(), '');
    // Where it was looked in vain is not held open.
    const held = namespacesOf(agent.pid);
    assert.deepEqual([held.has(one.netns.inode), held.has(two.netns.inode)], [true, false]);
  },
);

test(
  "control groups that do not tell the pod, and hostile ones: a pod is found by its address, and nobody else's is taken",
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [one, two, three] = [
      node.pod('one', '10.202.0.1'),
      node.pod('two', '10.202.0.2'),
      node.pod('three', '10.202.0.3'),
    ];
    node.cgroup('one', `0::/../crio-${'c'.repeat(64)}.scope\n`);
    // Its own, two pods at a time, and text without end: such a process is nobody's.
    node.cgroup('two', `1:cpu:/kubepods/pod${two.uid}/c\n0::/kubepods/pod${three.uid}/c\n`);
    node.cgroup('three', `0::${'/pod-crio-'.repeat(100_000)}\n`);
    await node.start({ NATIVE_NFTABLES: 'true' });
    using _proxy = await node.proxy();
    for (const name of ['two', 'three', 'one']) node.label(name, 'ambient');
    await node.until('one', 'enabled');
    assert.match(one.rules(), /15001/);
    await eventually(
      () => node.events().includes('no process of the pod was found'),
      () => node.events(),
    );
    assert.deepEqual(
      [two.rules(), three.rules(), node.state('two'), node.state('three')],
      ['', '', undefined, undefined],
    );
  },
);

test(
  "of several namespaces with a pod's address the one of its oldest process is the pod's, and nothing of the others is held",
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [one, twin] = [node.pod('one', '10.202.0.1'), node.pod('twin', '10.202.0.1')];
    // As a nested container runtime does; looked at before the pod's own process, and started after it.
    node.foreignProcess(10, one, twin, 90_000);
    const agent = await node.start({ NATIVE_NFTABLES: 'true' });
    using _proxy = await node.proxy();
    node.label('one', 'ambient');
    await node.until('one', 'enabled');
    assert.match(one.rules(), /15001/);
    assert.equal(twin.rules(), '');
    const held = namespacesOf(agent.pid);
    assert.deepEqual([held.has(one.netns.inode), held.has(twin.netns.inode)], [true, false]);
  },
);

test(
  "the node's own namespace is never a pod's, though a process of the pod is in it and it has the pod's address",
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('one', '10.202.0.1');
    node.hide('one');
    node.addresses('one', [nodeIp]);
    node.foreignProcess(4000, pod, { namespace: node.netns });
    await node.start({ NATIVE_NFTABLES: 'true' });
    using _proxy = await node.proxy();
    node.label('one', 'ambient');
    await eventually(
      () => node.events().includes('no process of the pod was found'),
      () => node.events(),
    );
    assert.doesNotMatch(node.exec('nft', 'list', 'ruleset'), /15001/);
  },
);

test(
  "a static pod that runs is enrolled by the hash in its control group; an annotation that names another pod's UID finds nothing of it",
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const hash = 'ab'.repeat(16);
    const [fixed, victim, thief] = [
      node.pod('static', '10.202.0.1'),
      node.pod('victim', '10.202.0.2'),
      node.pod('thief', '10.202.0.3'),
    ];
    node.annotate('static', { 'kubernetes.io/config.hash': hash });
    const group = `0::/kubepods/burstable/pod${hash}/${'c'.repeat(64)}\n`;
    node.cgroup('static', group);
    node.annotate('thief', { 'kubernetes.io/config.hash': victim.uid });
    // It even claims the address.
    node.addresses('thief', [victim.ip]);
    node.hide('thief');
    await node.start({ NATIVE_NFTABLES: 'true', AMBIT_DRIFT_INTERVAL_SECONDS: '1' });
    using proxy = await node.proxy();
    for (const name of ['thief', 'victim', 'static']) node.label(name, 'ambient');
    for (const name of ['victim', 'static']) await node.until(name, 'enabled');
    assert.match(fixed.rules(), /15001/);
    await eventually(
      () => node.events().includes('no process of the pod was found'),
      () => node.events(),
    );
    assert.equal(node.state('thief'), undefined);
    assert.ok(!proxy.seen.includes(`add ${thief.uid}`));
    assert.equal(thief.rules(), '');
    // A new sandbox of a static pod is found in the same way.
    const next = node.renew('static', true);
    node.cgroup('static', group);
    await eventually(
      () => next.rules().includes('15001'),
      () => next.rules(),
    );
  },
);
