// Rules that a real node agent makes, with every rule tool: what annotations choose, both families, whose probes are exempt, rules of others. Root
// only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../fixtures/agent-process.ts';
import { createAgentNode, ruleTools } from '../fixtures/node-agent.ts';
import { ask, echoIn } from '../fixtures/pod-calls.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const timeout = 90_000;

for (const [tool, environment] of Object.entries(ruleTools)) {
  test(
    `${tool}: annotations choose among rules and cannot write any; gateways and virtual machines`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
      using _app = await echoIn(pod);
      using _outside = await echoIn(other);
      node.annotate('a', {
        'istio.io/reroute-virtual-interfaces': 'tap0,eth9 -j DROP,"; flush ruleset; #,x\n-A OUTPUT -j DROP,vm+',
        'ambient.istio.io/bypass-inbound-capture': 'true',
        'ambient.istio.io/dns-capture': 'perhaps',
      });
      const agent = await node.start({ ...environment, AMBIENT_DNS_CAPTURE: 'true' });
      using _proxy = await node.proxy();
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
      const rules = pod.rules();
      assert.ok(rules.includes('tap0') && rules.includes('vm'), rules);
      assert.doesNotMatch(rules, /DROP|drop|eth9|15006/);
      assert.match(rules, /15053/, 'a text that is no boolean changes nothing');
      assert.ok(agent.lines.some((line) => line.includes('an interface name was refused')));
      // A gateway's own port is left to it; what it sends is captured.
      assert.equal(await ask(other.netns.fd, pod.ip), 'hello');
      assert.match(await ask(pod.netns.fd, other.ip), /ECONNREFUSED/);
    },
  );

  test(
    `${tool}: both families are captured and probed; a pod without IPv6 is enrolled all the same`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      node.exec('ip', '-6', 'addr', 'add', 'fd88::fe/64', 'dev', 'br0', 'nodad');
      const [pod, other, single] = [
        node.pod('a', '10.202.0.1'),
        node.pod('o', '10.202.0.2'),
        node.pod('v4', '10.202.0.3'),
      ];
      for (const [each, address] of [
        [pod, 'fd88::1'],
        [other, 'fd88::2'],
      ] as const)
        for (const [kind, ...rest] of [
          ['addr', `${address}/64`, 'dev', 'eth0', 'nodad'],
          ['route', 'default', 'via', 'fd88::fe'],
        ] as const)
          each.run('ip', '-6', kind, 'add', ...rest);
      single.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.lo.disable_ipv6=1');
      node.addresses('a', ['10.202.0.1', 'fd88::1']);
      // Any of them is enough to know a namespace by.
      node.addresses('v4', ['fd88::3', '10.202.0.3']);
      using _app = await echoIn(pod);
      await node.start({ ...environment, AMBIENT_IPV6: 'true' });
      using _proxy = await node.proxy();
      for (const name of ['a', 'v4']) node.label(name, 'ambient');
      for (const name of ['a', 'v4']) await node.until(name, 'enabled');
      for (const host of ['10.202.0.1', 'fd88::1']) {
        assert.match(await ask(other.netns.fd, host), /ECONNREFUSED|closed|ended/, `${host} is captured`);
        assert.equal(await ask(node.bridgeFd, host), 'hello', `probes reach ${host}`);
      }
      assert.match(pod.run('ip', '-6', 'rule', 'show', 'pref', '32764'), /lookup 100/);
      // Nothing is left in either family.
      node.label('a', undefined);
      await node.until('a', undefined);
      assert.equal(pod.rules(), '');
      assert.equal(pod.run('ip', '-6', 'rule', 'show', 'pref', '32764'), '');
      node.label('v4', undefined);
      await node.until('v4', undefined);
    },
  );
}

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: where only the kubelet is exempt, other users of the node reach an enrolled pod through the mesh alone`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const pod = node.pod('a', '10.202.0.1');
      using _app = await echoIn(pod);
      // Without a kubelet process it is user 0.
      await node.start({ ...environment, AMBIT_PROBE_EXEMPTION: 'kubelet' });
      using _proxy = await node.proxy();
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
      // The kernel accepts for the application, which waits meanwhile.
      const script = 'exec 3<>/dev/tcp/10.202.0.1/8080 && echo connected';
      const asUser = (uid: string): string =>
        node.exec('setpriv', `--reuid=${uid}`, '--clear-groups', 'timeout', '3', 'bash', '-c', script).trim();
      assert.equal(asUser('0'), 'connected');
      assert.throws(() => asUser('12345'), /refused/);
    },
  );

for (const [tool, environment] of Object.entries(ruleTools))
  test(`${tool}: the sets of the node follow an address to its new pod`, { skip, timeout }, async () => {
    await using node = await createAgentNode();
    const [one, two] = [node.pod('one', '10.202.0.1'), node.pod('two', '10.202.0.2')];
    await node.start(environment);
    using _proxy = await node.proxy();
    for (const name of ['one', 'two']) node.label(name, 'ambient');
    for (const name of ['one', 'two']) await node.until(name, 'enabled');
    const name = 'istio-inpod-probes-v4';
    const set = (): string =>
      tool === 'nftables'
        ? node.exec('nft', 'list', 'set', 'inet', 'istio-ambient-nat', name)
        : node.exec('ipset', 'list', name);
    assert.ok(set().includes(`10.202.0.1 comment "${one.uid}"`), set());
    // The second pod gets the first one's address; then the first one leaves.
    node.addresses('two', ['10.202.0.1']);
    await eventually(
      () => set().includes(`10.202.0.1 comment "${two.uid}"`),
      () => set(),
    );
    node.label('one', undefined);
    await node.until('one', undefined);
    assert.ok(set().includes(`10.202.0.1 comment "${two.uid}"`), set());
  });

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: many pods that enter at once have the same rules; when the label of their namespace goes none of them has any`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const pods = Array.from({ length: 12 }, (_, index) => node.pod(`p${index}`, `10.202.0.${index + 1}`));
      await node.start({ ...environment, AMBIENT_DNS_CAPTURE: 'true', AMBIENT_IPV6: 'true' });
      using _proxy = await node.proxy();
      const labelled = (labels: Readonly<Record<string, string>>): void =>
        node.cluster.put({ kind: 'Namespace', metadata: { name: 'shop', labels } });
      labelled({ 'istio.io/dataplane-mode': 'ambient' });
      for (const { name } of pods) await node.until(name, 'enabled');
      const [first] = pods;
      assert.match(first?.rules() ?? '', /15001/);
      for (const pod of pods) assert.equal(pod.rules(), first?.rules(), pod.name);
      labelled({});
      for (const { name } of pods) await node.until(name, undefined);
      for (const pod of pods) assert.equal(pod.rules(), '', pod.name);
    },
  );

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: rules of other programs stay through enrolment and removal and are no drift; chains in the mesh's name that are not ours go`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const pod = node.pod('a', '10.202.0.1');
      const foreign =
        tool === 'nftables' ? 'iptables-nft' : tool === 'iptables (nft)' ? 'iptables-nft' : 'iptables-legacy';
      const others = (): string =>
        pod
          .run(`${foreign}-save`)
          .split('\n')
          .filter((line) => line.includes('VPN'))
          .join('\n');
      pod.run(foreign, '-t', 'nat', '-N', 'VPN');
      pod.run(foreign, '-t', 'nat', '-A', 'OUTPUT', '-d', '192.0.2.1', '-j', 'VPN');
      const before = others();
      const agent = await node.start({ ...environment, AMBIT_DRIFT_INTERVAL_SECONDS: '1' });
      using _proxy = await node.proxy();
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
      const rules = pod.rules();
      assert.equal(others(), before);
      assert.doesNotMatch(pod.run(`${foreign}-save`), /DROP \[|-j DROP/, 'nothing of the pod is held up');
      const repairs = async (): Promise<boolean> =>
        (await agent.metrics()).includes('ambit_rule_repairs_total{place="pod"}');

      // Another program goes on with its own; a round of the check later nothing was taken for drift.
      pod.run(foreign, '-t', 'nat', '-A', 'OUTPUT', '-d', '192.0.2.2', '-j', 'VPN');
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.equal(await repairs(), false);
      const after = others();
      if (tool !== 'nftables') {
        pod.run(foreign, '-t', 'nat', '-N', 'ISTIO_TEST');
        pod.run(foreign, '-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '-j', 'ISTIO_TEST');
        await eventually(
          () => pod.rules() === rules,
          () => pod.rules(),
        );
        await eventually(repairs, () => agent.lines.slice(-5).join('\n'));
      }
      node.label('a', undefined);
      await node.until('a', undefined);
      assert.equal(pod.rules(), '');
      assert.equal(others(), after);
    },
  );
