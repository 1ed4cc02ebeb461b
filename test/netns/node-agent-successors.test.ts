// Node agents that follow each other, of other versions and with other tools, and the end of the mesh on a node. Root only.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAgentNode, nodeIp, ruleTools } from '../fixtures/node-agent.ts';
import { ask, echoIn } from '../fixtures/pod-calls.ts';
import { greeting, greetIn } from '../fixtures/pod-greetings.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const timeout = 90_000;

test(
  'an older agent follows a newer one: what it does not know is gone from the rules, nothing of it is believed, pods stay captured',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    const config = join(node.cniFolder, '10-net.conflist');
    writeFileSync(config, '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}');
    const newer = await node.start({ NATIVE_NFTABLES: 'true' });
    {
      using _proxy = await node.proxy();
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
    }
    const rules = pod.rules();
    const element = readFileSync(config, 'utf8');
    assert.equal(await newer.stop(), 0);
    // What a later version may add: a chain, a field of the plugin, a record of another form.
    pod.run(
      'nft',
      'add chain inet istio-ambient-nat istio-future; add rule inet istio-ambient-nat istio-future counter',
    );
    pod.run('nft', 'insert rule inet istio-ambient-nat output jump istio-future');
    assert.notEqual(pod.rules(), rules);
    writeFileSync(config, element.replace('"ambient_enabled"', '"from_the_future": 1, "ambient_enabled"'));
    writeFileSync(join(node.run, 'unprotected', pod.uid), '{"version":99,"connections":"all of them"}');

    const older = await node.start({ NATIVE_NFTABLES: 'true' });
    using proxy = await node.proxy();
    assert.equal(await older.metric('ambit_unprotected_pods'), 0);
    assert.ok(proxy.seen.includes(`add ${pod.uid}`));
    assert.equal(pod.rules(), rules);
    assert.equal(readFileSync(config, 'utf8'), element);
    assert.equal(await older.metric('ambit_unprotected_connections'), 0);
  },
);

for (const variant of ['nft', 'legacy'])
  test(
    `an agent with iptables (${variant}) follows one with nftables: pods and node have the rules of one tool, and pods leave without any`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const [pod, waiting, other] = [
        node.pod('a', '10.202.0.1'),
        node.pod('w', '10.202.0.2'),
        node.pod('o', '10.202.0.3'),
      ];
      using _other = await echoIn(other);
      const first = await node.start({ NATIVE_NFTABLES: 'true' });
      {
        using _proxy = await node.proxy();
        for (const name of ['a', 'w']) node.label(name, 'ambient');
        for (const name of ['a', 'w']) await node.until(name, 'enabled');
      }
      assert.equal(await first.stop(), 0);
      // One of them leaves while no agent is there.
      node.label('w', undefined);
      const agent = await node.start({ NATIVE_NFTABLES: 'false', FORCE_IPTABLES_BINARY: variant });
      using _proxy = await node.proxy();
      await node.until('w', undefined);
      assert.equal(waiting.rules(), '');
      assert.equal(await agent.metric('ambit_unprotected_pods'), 0);
      assert.match(pod.rules(), /ISTIO_OUTPUT/);
      assert.doesNotMatch(pod.rules(), /istio-ambient/);
      assert.equal(node.exec('nft', 'list', 'tables', 'inet').trim(), '');
      assert.match(await ask(pod.netns.fd, other.ip), /ECONNREFUSED/, 'captured, and nobody serves');
      node.label('a', undefined);
      await node.until('a', undefined);
      assert.equal(pod.rules(), '');
      assert.equal(await ask(pod.netns.fd, other.ip), 'hello');

      // And back: the chain of the node tells, also where there was no ipset.
      assert.equal(await agent.stop(), 0);
      const program = `iptables-${variant}`;
      node.exec(program, '-t', 'nat', '-F', 'ISTIO_POSTRT');
      node.exec('ipset', 'destroy');
      const last = await node.start();
      assert.ok(last.lines.some((line) => line.includes('iptables is kept until the node restarts')));
    },
  );

test(
  'an agent that has IPv6 switched on later gives the pods of its predecessor the other family too',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    // A family that is off is no failure, neither on the way in nor on the way out.
    node.addresses('a', [pod.ip, pod.ip6]);
    const first = await node.start({ AMBIENT_IPV6: 'false' });
    {
      using _proxy = await node.proxy();
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
      node.label('a', undefined);
      await node.until('a', undefined);
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
    }
    const way = (): string => pod.run('ip', '-6', 'rule', 'show', 'pref', '32764');
    assert.equal(way(), '');
    assert.equal(await first.stop(), 0);
    await node.start({ AMBIENT_IPV6: 'true' });
    assert.match(way(), /lookup 100/);
    assert.match(pod.rules(), /ip6 daddr/);
  },
);

test('when the mesh is removed from the node its pods go on without it', { skip, timeout }, async () => {
  await using node = await createAgentNode();
  const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
  using _other = await echoIn(other);
  const agent = await node.start();
  using proxy = await node.proxy();
  node.label('a', 'ambient');
  await node.until('a', 'enabled');
  assert.match(await ask(pod.netns.fd, other.ip), /ECONNREFUSED/);
  node.cluster.remove({ kind: 'DaemonSet', namespace: 'istio-system', name: 'istio-cni-node' });
  assert.equal(await agent.stop(), 0);
  assert.equal(node.state('a'), undefined);
  assert.equal(pod.rules(), '');
  assert.ok(proxy.seen.includes(`del ${pod.uid}`));
  assert.equal(await ask(pod.netns.fd, other.ip), 'hello');
});

test(
  'where the operator keeps the rules of a removed mesh, pods stay refused instead of speaking plaintext',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
    using _other = await echoIn(other);
    const agent = await node.start({ AMBIT_UNINSTALL_PODS: 'keep' });
    using _proxy = await node.proxy();
    node.label('a', 'ambient');
    await node.until('a', 'enabled');
    const rules = pod.rules();
    node.cluster.remove({ kind: 'DaemonSet', namespace: 'istio-system', name: 'istio-cni-node' });
    assert.equal(await agent.stop(), 0);
    assert.equal(pod.rules(), rules);
    assert.match(await ask(pod.netns.fd, other.ip), /ECONNREFUSED/);
  },
);

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: while one agent follows another, probes pass at every moment, also those of a pod whose address the API does not tell yet`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const pods = [node.pod('known', '10.202.0.1'), node.pod('late', '10.202.0.2')];
      await using stack = new AsyncDisposableStack();
      for (const pod of pods) stack.use(await greetIn(pod, 8080, 'application'));
      let agent = await node.start(environment);
      using _proxy = await node.proxy();
      for (const { name } of pods) node.label(name, 'ambient');
      for (const { name } of pods) await node.until(name, 'enabled');
      // Nobody serves the mesh's listeners in these pods: a probe that is captured is refused.
      assert.match(await greeting(node.pod('o', '10.202.0.9').netns.fd, '10.202.0.1', 8080), /ECONNREFUSED/);
      const seen = new Set<string>();
      let count = 0;
      let isOn = true;
      const probing = Promise.all(
        pods.map(async ({ ip }) => {
          while (isOn) {
            seen.add(await greeting(node.bridgeFd, ip, 8080));
            count += 1;
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }),
      );
      try {
        node.addresses('late', []);
        assert.equal(await agent.stop(), 0);
        agent = await node.start(environment);
        await agent.kill();
        agent = await node.start(environment);
      } finally {
        isOn = false;
        await probing;
      }
      assert.deepEqual([...seen], ['application 169.254.7.127'], agent.lines.slice(-10).join('\n'));
      assert.ok(count > 100, `${count} probes`);
      // The exemption is that pod's: it ends with it.
      node.label('late', undefined);
      await node.until('late', undefined);
      assert.equal(await greeting(node.bridgeFd, '10.202.0.2', 8080), `application ${nodeIp}`);
    },
  );

test(
  'where the operator switched safe upgrades off, an agent that stops leaves nothing on the node',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const agent = await node.start({ NATIVE_NFTABLES: 'true', AMBIENT_DISABLE_SAFE_UPGRADE: 'true' });
    assert.match(node.exec('nft', 'list', 'tables'), /istio-ambient-nat/);
    assert.equal(await agent.stop(), 0);
    assert.equal(node.exec('nft', 'list', 'tables').trim(), '');
  },
);
