// A real node agent and what goes wrong around it: hostile annotations, paths and bodies, silent proxies, missing tools, full disks, and the
// end of the mesh. Root only.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bindListener, connect, connectSequenced, listen } from '@ambit/net';
import { eventually } from '../fixtures/agent-process.ts';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { type AgentNode, type AgentTestPod, createAgentNode } from '../fixtures/node-agent.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const timeout = 90_000;
const tools: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['nftables', { NATIVE_NFTABLES: 'true' }],
  ['iptables (nft)', { NATIVE_NFTABLES: 'false', FORCE_IPTABLES_BINARY: 'nft' }],
  ['iptables (legacy)', { NATIVE_NFTABLES: 'false', FORCE_IPTABLES_BINARY: 'legacy' }],
];

function annotate(node: AgentNode, name: string, annotations: Readonly<Record<string, string>>): void {
  const pod = node.object(name);
  node.cluster.put({ ...pod, metadata: { ...pod.metadata, annotations } } as Parameters<typeof node.cluster.put>[0]);
}

/** What a connection from one namespace gets: the echoed text, or the reason why not. */
async function ask(from: number, host: string, port = 8080): Promise<string> {
  try {
    const endpoint = await connect({ kind: 'netns', fd: from }, { host, port, timeoutMs: 3000 });
    const text = await echoed(endpoint, 'hello');
    // Not closed: the namespace may be gone before the other end answers.
    endpoint.destroy(new Error('the question was answered'));
    return text;
  } catch (error) {
    return (error as Error).message;
  }
}

async function echoIn(pod: AgentTestPod, port = 8080): Promise<Disposable> {
  const listener = await listen(bindListener({ kind: 'netns', fd: pod.netns.fd }, { port }), {
    onConnection: echoBack,
  });
  return { [Symbol.dispose]: () => listener.close() };
}

const events = (node: AgentNode): string =>
  node.cluster
    .objects('Event')
    .map((event) => `${(event as { reason?: string }).reason} ${(event as { message?: string }).message}`)
    .join('\n');

for (const [tool, environment] of tools) {
  test(
    `${tool}: annotations choose among rules and cannot write any; gateways and virtual machines`,
    { skip, timeout },
    async () => {
      await using node = await createAgentNode();
      const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
      using _app = await echoIn(pod);
      using _outside = await echoIn(other);
      annotate(node, 'a', {
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
      for (const [name, ips] of [
        ['a', ['10.202.0.1', 'fd88::1']],
        ['v4', ['10.202.0.3', 'fd88::3']],
      ] as const)
        node.cluster.put({
          ...node.object(name),
          status: { phase: 'Running', podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
        } as Parameters<typeof node.cluster.put>[0]);
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

for (const [tool, environment] of tools)
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

test(
  'a proxy that stops answering is let go, the pod says why, and the next proxy serves it',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    const agent = await node.start();
    const silent = new Promise<string>(() => undefined);
    using _silent = await node.proxy((request) => (request.startsWith('add') ? silent : ''));
    node.label('a', 'ambient');
    await node.until('a', 'pending');
    await eventually(
      async () => (await agent.metric('ztunnel_connected')) === 0,
      () => agent.lines.slice(-10).join('\n'),
      20_000,
    );
    assert.equal(pod.rules(), '', 'nobody listens yet, so nothing is redirected');
    using _next = await node.proxy();
    await node.until('a', 'enabled');
    await eventually(
      () => events(node).includes('no answer to add'),
      () => events(node),
    );
  },
);

test('the plugin socket refuses paths that are no pod, and bodies that are none', { skip, timeout }, async () => {
  await using node = await createAgentNode();
  const pod = node.sandbox('a', '10.202.0.1');
  node.label('a', 'ambient');
  await node.start();
  using _proxy = await node.proxy();
  const add = async (Netns: string): Promise<string> =>
    node.post(
      'pluginevent.sock',
      'POST',
      '/cmdadd',
      JSON.stringify({ Netns, PodName: 'a', PodNamespace: 'shop', IPs: [] }),
    );
  for (const path of [
    `/run/netns/${node.netns}`,
    '/etc/passwd',
    '/run/netns/../../etc/passwd',
    'relative',
    '/nowhere',
    `/${'x'.repeat(5000)}`,
  ])
    assert.match(await add(path), /^500 /, path);
  assert.doesNotMatch(node.exec('nft', 'list', 'ruleset'), /15001/, "the node's own traffic is not captured");
  assert.match(
    await node.post('pluginevent.sock', 'POST', '/cmdadd', 'x'.repeat(200_000)).catch(String),
    /^(4|5)\d\d|Error/,
  );
  assert.match(await node.post('pluginevent.sock', 'POST', '/cmdadd', '{"Netns":'), /^400 /);
  assert.equal(await add(`/run/netns/${pod.namespace}`), '');
  assert.equal(node.state('a'), 'enabled');
});

test(
  'without nft the rules are iptables; without both the agent says what is missing and does not start',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const folder = mkdtempSync(join(tmpdir(), 'ambit-t-path-'));
    try {
      const provide = (...programs: readonly string[]): void => {
        for (const program of programs)
          symlinkSync(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(folder, program));
      };
      provide('ip', 'nsenter', 'sh');
      await assert.rejects(
        node.start({ PATH: folder }),
        /neither nft nor iptables works on this node.*the image must have/s,
      );
      provide('iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore');
      const pod = node.pod('a', '10.202.0.1');
      const agent = await node.start({ PATH: folder });
      assert.ok(agent.lines.some((line) => line.includes('rules by iptables') && line.includes('ipset=false')));
      using _proxy = await node.proxy();
      using _app = await echoIn(pod);
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
      assert.equal(await ask(node.bridgeFd, pod.ip), 'hello', 'probes pass without ipset too');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test(
  'on a full disk the CNI configuration stays whole, the agent is not ready, and both change when there is room',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', node.cniFolder]);
    try {
      const file = join(node.cniFolder, '10-net.conflist');
      const before = '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}';
      writeFileSync(file, before);
      const filler = join(node.cniFolder, 'filler');
      assert.throws(() => writeFileSync(filler, Buffer.alloc(1024 * 1024)), { code: 'ENOSPC' });
      const agent = await node.start();
      assert.equal(readFileSync(file, 'utf8'), before);
      assert.match(await agent.page(8000, '/readyz'), /^503 not ready: the CNI plugin/);
      assert.match(await agent.metrics(), /istio_cni_installs_total\{result="CREATE_CNI_CONFIG_FAILURE"\} [1-3]\n/);
      rmSync(filler);
      await eventually(
        async () => (await agent.page(8000, '/readyz')) === '200 ok',
        () => agent.lines.slice(-10).join('\n'),
        20_000,
      );
      assert.match(readFileSync(file, 'utf8'), /istio-cni/);
    } finally {
      execFileSync('umount', ['-l', node.cniFolder]);
    }
  },
);

test("legacy iptables: a program that holds the node's lock keeps no pod waiting", { skip, timeout }, async () => {
  await using node = await createAgentNode();
  node.pod('a', '10.202.0.1');
  const legacy = { NATIVE_NFTABLES: 'false', FORCE_IPTABLES_BINARY: 'legacy' };
  const agent = await node.start(legacy);
  using proxy = await node.proxy();
  // What every enrolment writes on the node itself needs the lock: it is there before somebody takes it.
  node.label('a', 'ambient');
  await node.until('a', 'enabled');
  const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  try {
    node.cluster.put({ ...node.object('a'), metadata: { ...node.object('a').metadata, annotations: {} } });
    await node.until('a', 'enabled');
  } finally {
    holder.stdin.end();
    await once(holder, 'exit');
  }
  assert.ok(proxy.seen.length > 0, agent.lines.slice(-5).join('\n'));
});

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
  "a foreign process in a pod's namespace, and one of the pod elsewhere, mislead nobody",
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [one, two] = [node.pod('one', '10.202.0.1'), node.pod('two', '10.202.0.2')];
    // Older than the pods' own processes, and looked at before them.
    node.foreignProcess(10, one, two);
    node.foreignProcess(11, two, one);
    await node.start({ NATIVE_NFTABLES: 'true' });
    using _proxy = await node.proxy();
    node.label('one', 'ambient');
    await node.until('one', 'enabled');
    assert.match(one.rules(), /15001/);
    assert.equal(two.rules(), '');
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
      () => events(node).includes('no process of the pod was found'),
      () => events(node),
    );
    assert.deepEqual(
      [two.rules(), three.rules(), node.state('two'), node.state('three')],
      ['', '', undefined, undefined],
    );
  },
);

test(
  'the sets of the node follow an address to its new pod, and a later agent keeps iptables while they exist',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [one, two] = [node.pod('one', '10.202.0.1'), node.pod('two', '10.202.0.2')];
    const agent = await node.start({ NATIVE_NFTABLES: 'false' });
    using _proxy = await node.proxy();
    for (const name of ['one', 'two']) node.label(name, 'ambient');
    for (const name of ['one', 'two']) await node.until(name, 'enabled');
    const set = (): string => node.exec('ipset', 'list', 'istio-inpod-probes-v4');
    assert.match(set(), new RegExp(`10.202.0.1 comment "${one.uid}"`));
    // The second pod gets the first one's address; then the first one leaves.
    node.cluster.put({
      ...node.object('two'),
      status: { phase: 'Running', podIP: '10.202.0.1', podIPs: [{ ip: '10.202.0.1' }] },
    } as Parameters<typeof node.cluster.put>[0]);
    await eventually(
      () => set().includes(`10.202.0.1 comment "${two.uid}"`),
      () => set(),
    );
    node.label('one', undefined);
    await node.until('one', undefined);
    assert.match(set(), new RegExp(`10.202.0.1 comment "${two.uid}"`));
    await agent.stop();
    const next = await node.start();
    assert.ok(next.lines.some((line) => line.includes('iptables is kept until the node restarts')));
  },
);

test(
  'a socket for proxies that somebody removed is there again, and a proxy connects through it',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const agent = await node.start({ AMBIT_READY_NEEDS_PROXY: 'true' });
    assert.match(await agent.page(8000, '/readyz'), /^503/);
    rmSync(join(node.run, 'ztunnel.sock'));
    using _proxy = await node.proxy();
    await eventually(
      () => agent.lines.some((line) => line.includes('made anew')),
      () => agent.lines.slice(-5).join('\n'),
    );
  },
);

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
  'a proxy that speaks another version is refused with an error, again and again, and disturbs nobody',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    const agent = await node.start();
    using proxy = await node.proxy();
    node.label('a', 'ambient');
    await node.until('a', 'enabled');
    for (const hello of [[8, 2], [8, 0], [0xff, 0xff], Array<number>(5000).fill(8)]) {
      const socket = connectSequenced(join(node.run, 'ztunnel.sock'));
      const refusals = (): number => agent.lines.filter((line) => line.includes('node proxy was not served')).length;
      const before = refusals();
      try {
        socket.send(Buffer.from(hello));
        await eventually(
          () => refusals() === before + 1,
          () => `${hello.slice(0, 4).join()}: ${agent.lines.slice(-5).join('\n')}`,
        );
        assert.equal(await socket.receive(), undefined, 'nothing is sent, the connection ends');
      } finally {
        socket.close();
      }
    }
    assert.ok(agent.lines.some((line) => line.includes('version') && line.includes('try')));
    await eventually(
      async () => (await agent.metric('ztunnel_connected')) === 1,
      () => agent.lines.slice(-5).join('\n'),
    );
    node.label('a', undefined);
    await node.until('a', undefined);
    assert.ok(proxy.seen.includes(`del ${pod.uid}`));
  },
);

test(
  'an agent that has IPv6 switched on later gives the pods of its predecessor the other family too',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    const first = await node.start({ AMBIENT_IPV6: 'false' });
    {
      using _proxy = await node.proxy();
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

test(
  'connections that wait in the queue of a listener that stops are taken over by the next one in the pod',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
    await node.start();
    using _proxy = await node.proxy();
    node.label('a', 'ambient');
    await node.until('a', 'enabled');
    // Two generations of a node proxy.
    const generation = async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        sockets.push(socket);
      });
      const domain = { kind: 'netns', fd: pod.netns.fd } as const;
      server.listen({ fd: bindListener(domain, { port: 15_006, mark: 1337, reusePort: true }) });
      await once(server, 'listening');
      return { server, sockets };
    };
    const [stopping, next] = [await generation(), await generation()];
    const count = 40;
    const dial = `for i in $(seq ${count}); do exec {fd}<>/dev/tcp/${pod.ip}/8080; done; echo all; read`;
    const callers = spawn('ip', ['netns', 'exec', other.namespace, 'bash', '-c', dial], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      // This process accepts nothing while it waits here; the kernel lets the callers in.
      const queued = (): number =>
        pod
          .run('ss', '-Hltn', 'sport = :15006')
          .trim()
          .split('\n')
          .reduce((sum, line) => sum + Number(line.split(' ').filter((word) => word !== '')[1]), 0);
      const end = Date.now() + 20_000;
      while (queued() < count) assert.ok(Date.now() < end, `${queued()} of ${count} in the queues`);
      stopping.server.close();
      await eventually(
        () => next.sockets.length === count,
        () => `${next.sockets.length} of ${count} were taken over`,
        5000,
      );
      assert.equal(stopping.sockets.length, 0);
    } finally {
      callers.kill('SIGKILL');
      for (const socket of next.sockets) socket.destroy();
      next.server.close();
    }
  },
);
