// A real node agent with pods in network namespaces: what an enrolment does to a pod and what it leaves, with every rule tool. Root only.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startNodeProxy } from '../fixtures/node-proxy.ts';
import { descriptorsOf, eventually, namespacesOf } from '../fixtures/agent-process.ts';
import { createAgentNode, nodeIp, ruleTools } from '../fixtures/node-agent.ts';
import { echoes, greeting, greetIn, lineOf, open } from '../fixtures/pod-greetings.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
for (const [tool, environment] of Object.entries(ruleTools)) {
  test(
    `${tool}: a live pod enters the mesh and leaves it: open connections live on, new ones are captured, nothing stays behind`,
    { skip },
    async () => {
      await using node = await createAgentNode();
      const client = node.pod('c', '10.202.0.1');
      const server = node.pod('s', '10.202.0.2');
      await using _echo = await greetIn(server, 8080, 'server');
      const clean = {
        rules: client.rules(),
        loose: client.run('cat', '/proc/sys/net/netfilter/nf_conntrack_tcp_loose'),
      };
      assert.equal(clean.rules, '');
      const old = await open(client.netns.fd, server.ip, 8080);
      assert.equal(await lineOf(old), `server ${client.ip}`);

      const agent = await node.start({ ...environment, AMBIENT_DNS_CAPTURE: 'true', AMBIENT_IPV6: 'true' });
      let isFirst = true;
      using proxy = await node.proxy((request) => {
        // The pod is told to be in the mesh only after a proxy took it.
        if (request === `add ${client.uid}` && isFirst) assert.equal(node.state('c'), undefined);
        if (request.startsWith('add')) isFirst = false;
        return '';
      });
      node.label('c', 'ambient');
      await node.until('c', 'enabled');
      assert.deepEqual(proxy.seen, ['snapshotSent', `add ${client.uid}`]);
      assert.ok(proxy.hasDescriptors);
      const rules = client.rules();
      for (const part of ['15001', '15006', '15008', '15053', '169.254.7.127', 'lookup 100'])
        assert.ok(rules.includes(part), `${part} in\n${rules}`);

      // Gap G1: the connection from before is not picked up half way.
      assert.ok(await echoes(old, 'still here'));
      assert.match(await greeting(client.netns.fd, server.ip, 8080), /ECONNREFUSED/, 'captured, and nobody serves yet');
      await using _outbound = await greetIn(client, 15001, 'proxy');
      assert.match(await greeting(client.netns.fd, server.ip, 8080), /^proxy/);
      await eventually(
        () =>
          node.cluster
            .objects('Pod')
            .some((pod) => pod.metadata.annotations?.['ambient.ambit.io/unprotected-connections'] === '1'),
        () => 'the old connection is listed as unprotected',
      );

      // Probes of the node reach the application of an enrolled pod, other pods reach the proxy.
      node.label('s', 'ambient');
      await node.until('s', 'enabled');
      await using _inbound = await greetIn(server, 15006, 'proxy');
      assert.equal(await greeting(node.bridgeFd, server.ip, 8080), 'server 169.254.7.127');
      const other = node.pod('o', '10.202.0.3');
      assert.equal(await greeting(other.netns.fd, server.ip, 8080), `proxy ${other.ip}`);
      assert.ok(await echoes(old, 'and still'));

      // Once more with the same pod: nothing changes.
      node.cluster.put({ ...node.object('c'), metadata: { ...node.object('c').metadata, annotations: {} } });
      await node.until('c', 'enabled');
      assert.equal(client.rules(), rules);

      // Annotations choose among rules while the pod runs (gap G23).
      const annotate = (value: string | null): void => {
        const pod = node.object('c');
        const { 'ambient.istio.io/dns-capture': _old, ...others } = pod.metadata?.annotations ?? {};
        const annotations = value === null ? others : { ...others, 'ambient.istio.io/dns-capture': value };
        node.cluster.put({ ...pod, metadata: { ...pod.metadata, annotations } });
      };
      annotate('false');
      await eventually(
        () => !client.rules().includes('15053'),
        () => `names are not captured any more, not\n${client.rules()}`,
      );
      annotate(null);
      await eventually(
        () => client.rules() === rules,
        () => `the rules are what they were, not\n${client.rules()}`,
      );

      node.label('c', undefined);
      node.label('s', 'none');
      await node.until('c', undefined);
      await node.until('s', undefined);
      assert.deepEqual([client.rules(), server.rules()], ['', '']);
      assert.equal(client.run('cat', '/proc/sys/net/netfilter/nf_conntrack_tcp_loose'), clean.loose);
      assert.match(await greeting(client.netns.fd, server.ip, 8080), /^server/);
      assert.equal(await greeting(node.bridgeFd, server.ip, 8080), `server ${nodeIp}`);
      assert.ok(proxy.seen.includes(`del ${client.uid}`));
      assert.equal(await agent.stop(), 0);
    },
  );

  test(`${tool}: what others change is put back, in pods and on the node`, { skip }, async () => {
    await using node = await createAgentNode();
    const server = node.pod('s', '10.202.0.2');
    await using _echo = await greetIn(server, 8080, 'server');
    const agent = await node.start({ ...environment, AMBIT_DRIFT_INTERVAL_SECONDS: '1' });
    using _proxy = await node.proxy();
    node.label('s', 'ambient');
    await node.until('s', 'enabled');
    const rules = server.rules();
    const repaired = async (place: string): Promise<boolean> =>
      (await agent.metrics()).includes(`ambit_rule_repairs_total{place="${place}"} 1`);
    if (tool === 'nftables') {
      server.run('nft', 'flush', 'chain', 'inet', 'istio-ambient-nat', 'istio-prerouting');
      node.exec('nft', 'delete', 'table', 'inet', 'istio-ambient-nat');
    } else {
      const program = tool === 'iptables (nft)' ? 'iptables-nft' : 'iptables-legacy';
      server.run(program, '-t', 'nat', '-D', 'PREROUTING', '-j', 'ISTIO_PRERT');
      node.exec(program, '-t', 'nat', '-I', 'POSTROUTING', '1', '-p', 'tcp', '-j', 'RETURN');
    }
    assert.notEqual(server.rules(), rules);
    await eventually(
      () => server.rules() === rules,
      () => `rules are put back, not\n${server.rules()}`,
    );
    await eventually(
      async () => (await repaired('pod')) && (await repaired('node')),
      () => agent.lines.slice(-20).join('\n'),
    );
    // The way back is none of the rules, and is looked at as well.
    server.run('ip', 'rule', 'del', 'pref', '32764');
    await eventually(
      () => server.rules() === rules,
      () => `the return route is put back, not\n${server.rules()}`,
    );
    assert.equal(await greeting(node.bridgeFd, server.ip, 8080), 'server 169.254.7.127');
    assert.ok(
      node.cluster.objects('Event').some((event) => (event as { reason?: string }).reason === 'AmbientCaptureRestored'),
    );
  });
}

test('without tcp_loose=0 the same rules reset open connections, which is why it is set', { skip }, async () => {
  await using node = await createAgentNode();
  const client = node.pod('c', '10.202.0.1');
  const enrolled = node.pod('e', '10.202.0.3');
  const server = node.pod('s', '10.202.0.2');
  await using _echo = await greetIn(server, 8080, 'server');
  await node.start({ NATIVE_NFTABLES: 'true' });
  using _proxy = await node.proxy();
  node.label('e', 'ambient');
  await node.until('e', 'enabled');
  const old = await open(client.netns.fd, server.ip, 8080);
  await lineOf(old);
  const rules = enrolled.run('nft', '-s', 'list', 'ruleset', 'inet');
  client.run('sh', '-c', `echo '${rules}' | nft -f -`);
  assert.equal(await echoes(old, 'still here'), false);
});

test(
  'a refused pod is pending, says why in an event, is retried, and is enrolled when the proxy takes it',
  { skip },
  async () => {
    await using node = await createAgentNode();
    node.pod('a', '10.202.0.1');
    await node.start();
    node.label('a', 'ambient');
    await node.until('a', 'pending');
    let refusals = 3;
    using proxy = await node.proxy((request) => {
      if (!request.startsWith('add') || refusals === 0) return '';
      refusals -= 1;
      return 'port 15001 is taken';
    });
    await node.until('a', 'enabled');
    assert.ok(proxy.seen.filter((request) => request.startsWith('add')).length >= 4, proxy.seen.join());
    await eventually(
      () =>
        node.cluster
          .objects('Event')
          .some((event) => String((event as { message?: string }).message).includes('no node proxy is connected')),
      () => JSON.stringify(node.cluster.objects('Event')),
    );
  },
);

test('pods do not wait for each other, and a pod without a process stops none', { skip }, async () => {
  await using node = await createAgentNode();
  for (const number of [1, 2, 3, 4]) node.pod(`p${number}`, `10.202.0.${number}`);
  node.cluster.put({
    kind: 'Pod',
    metadata: { name: 'ghost', namespace: 'shop', uid: '00000000-0000-4000-8000-ffffffffffff', labels: {} },
    spec: { nodeName: 'n1' },
    status: { phase: 'Running', podIP: '10.202.0.99' },
  });
  await node.start();
  using _proxy = await node.proxy();
  node.cluster.put({ kind: 'Namespace', metadata: { name: 'shop', labels: { 'istio.io/dataplane-mode': 'ambient' } } });
  for (const number of [1, 2, 3, 4]) await node.until(`p${number}`, 'enabled');
  assert.equal(node.state('ghost'), undefined);
});

test(
  'a new agent knows all enrolled pods before it serves a proxy, keeps those it cannot find, and prunes what nobody owns',
  { skip },
  async () => {
    await using node = await createAgentNode();
    const [one, two] = [node.pod('one', '10.202.0.1'), node.pod('two', '10.202.0.2')];
    const first = await node.start({ NATIVE_NFTABLES: 'true' });
    using _proxy = await node.proxy();
    for (const name of ['one', 'two']) node.label(name, 'ambient');
    await node.until('one', 'enabled');
    await node.until('two', 'enabled');
    const rules = one.rules();
    await first.kill();
    node.hide('two');
    node.exec('nft', 'add', 'element', 'inet', 'istio-ambient-nat', 'istio-inpod-probes-v4', '{ 10.202.0.77 }');

    await node.start({ NATIVE_NFTABLES: 'true' });
    using proxy = await node.proxy();
    await eventually(
      () => proxy.seen.includes('snapshotSent'),
      () => proxy.seen.join(),
    );
    assert.deepEqual(proxy.seen.slice(0, proxy.seen.indexOf('snapshotSent')).toSorted(), [
      `add ${one.uid}`,
      `keep ${two.uid}`,
    ]);
    assert.equal(one.rules(), rules);
    const set = node.exec('nft', 'list', 'set', 'inet', 'istio-ambient-nat', 'istio-inpod-probes-v4');
    assert.ok(set.includes('10.202.0.1') && set.includes('10.202.0.2') && !set.includes('10.202.0.77'), set);

    // When its process is seen again the pod is enrolled for good.
    node.unhide('two');
    await eventually(
      () => proxy.seen.includes(`add ${two.uid}`),
      () => proxy.seen.join(),
    );
  },
);

test(
  "an agent that stops leaves the node's rules to its successor, and takes them along when the mesh is removed",
  { skip },
  async () => {
    await using node = await createAgentNode();
    const first = await node.start({ NATIVE_NFTABLES: 'true' });
    assert.equal(await first.stop(), 0);
    assert.ok(node.exec('nft', 'list', 'tables').includes('istio-ambient-nat'));
    const second = await node.start({ NATIVE_NFTABLES: 'true' });
    node.cluster.remove({ kind: 'DaemonSet', namespace: 'istio-system', name: 'istio-cni-node' });
    assert.equal(await second.stop(), 0);
    assert.equal(node.exec('nft', 'list', 'tables').trim(), '');
  },
);

test('a thousand times in and out leave no descriptor behind', { skip }, async () => {
  await using node = await createAgentNode();
  const names = Array.from({ length: 8 }, (_, index) => `p${index}`);
  const pods = names.map((name, index) => node.pod(name, `10.202.0.${index + 1}`));
  const agent = await node.start();
  using _proxy = await node.proxy();
  const cycle = async (name: string): Promise<void> => {
    node.label(name, 'ambient');
    await node.until(name, 'enabled');
    node.label(name, undefined);
    await node.until(name, undefined);
  };
  for (const name of names) await cycle(name);
  const before = descriptorsOf(agent.pid);
  await Promise.all(
    names.map(async (name) => {
      for (let count = 0; count < 125; count += 1) await cycle(name);
    }),
  );
  await eventually(
    () => descriptorsOf(agent.pid) <= before,
    () => `${descriptorsOf(agent.pid)} descriptors, ${before} before`,
  );
  // Such a descriptor would keep the namespace of a pod that is gone.
  const held = namespacesOf(agent.pid);
  for (const pod of pods) assert.ok(!held.has(pod.netns.inode), pod.name);
});

test(
  'an old connection that a policy denies is reset in both directions, one that no policy denies lives on',
  { skip },
  async () => {
    await using node = await createAgentNode();
    const client = node.pod('c', '10.202.0.1');
    const server = node.pod('s', '10.202.0.2');
    await using _denied = await greetIn(server, 8080, 'server');
    await using _allowed = await greetIn(server, 8081, 'server');
    const old = await open(client.netns.fd, server.ip, 8080);
    const other = await open(client.netns.fd, server.ip, 8081);
    await Promise.all([lineOf(old), lineOf(other)]);
    const agent = await node.start();
    using _proxy = await node.proxy();
    for (const name of ['c', 's']) node.label(name, 'ambient');
    await node.until('c', 'enabled');
    await node.until('s', 'enabled');
    const listed = JSON.parse(await node.post('ambit-unprotected.sock', 'GET', '/unprotected', '')) as {
      id: string;
      workload: { name: string };
      destination: { port: number };
    }[];
    // Only the side that accepted lists a connection.
    assert.deepEqual(listed.map(({ workload, destination }) => `${workload.name}:${destination.port}`).toSorted(), [
      's:8080',
      's:8081',
    ]);
    const id = listed.find(({ destination }) => destination.port === 8080)?.id;
    const answer = await node.post(
      'ambit-unprotected.sock',
      'POST',
      '/unprotected',
      JSON.stringify([{ id, policy: 'shop/strict' }]),
    );
    assert.equal(answer, '{"reset":1}');
    await eventually(
      () => old.destroyed,
      () => 'the denied connection ends',
    );
    assert.ok(await echoes(other, 'still here'));
    assert.match(await agent.metrics(), /ambit_unprotected_connections_reset_total 1/);
  },
);

test('the plugin makes a new pod wait until it is captured, and lets go when it cannot be', { skip }, async () => {
  await using node = await createAgentNode();
  const config = join(node.cniFolder, '10-net.conflist');
  writeFileSync(config, '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}');
  const agent = await node.start();
  const [pod, other, plain] = [
    node.sandbox('new', '10.202.0.1'),
    node.sandbox('other', '10.202.0.2'),
    node.sandbox('plain', '10.202.0.3'),
  ];
  for (const name of ['new', 'other']) node.label(name, 'ambient');

  const refused = await node.cni('ADD', pod);
  assert.equal(refused.status, 1, agent.lines.join('\n'));
  assert.match(refused.stdout, /no node proxy is connected/);
  assert.equal(node.state('new'), 'pending');

  using proxy = await node.proxy();
  const [added, also] = await Promise.all([node.cni('ADD', pod), node.cni('ADD', other)]);
  assert.deepEqual([added.status, also.status], [0, 0], `${added.stdout} ${also.stdout}`);
  assert.deepEqual(JSON.parse(added.stdout), {
    cniVersion: '1.0.0',
    ips: [{ address: '10.202.0.1/24', gateway: nodeIp }],
  });
  // At this moment the runtime starts the containers: everything is in place, though no process of the pod exists.
  assert.deepEqual([node.state('new'), node.state('other')], ['enabled', 'enabled']);
  assert.ok(pod.rules().includes('15001') && proxy.seen.includes(`add ${other.uid}`));
  assert.match(await greeting(pod.netns.fd, nodeIp, 6443), /ECONNREFUSED/);

  assert.equal((await node.cni('ADD', plain)).status, 0);
  assert.equal(plain.rules(), '');
  for (const command of ['DEL', 'CHECK', 'VERSION']) assert.equal((await node.cni(command, pod)).status, 0);
  assert.match(await agent.metrics(), /istio_cni_plugin_requests_total\{response_code="200"\} 2/);

  // Removing the mesh takes the plugin out of the node's configuration.
  node.cluster.remove({ kind: 'DaemonSet', namespace: 'istio-system', name: 'istio-cni-node' });
  assert.equal(await agent.stop(), 0);
  // What the plugin's kubeconfig holds is in no log.
  const token = readFileSync(join(node.accountFolder, 'token'), 'utf8').trim();
  assert.ok(token.length > 8 && !agent.lines.some((line) => line.includes(token)));
  assert.deepEqual(JSON.parse(readFileSync(config, 'utf8')), {
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [{ type: 'bridge' }],
  });
});

const meshState = `
workloads:
- { uid: c, name: c, namespace: shop, serviceAccount: c, workloadIps: ["10.202.0.1"], protocol: HBONE, node: n1, services: {} }
- { uid: s, name: s, namespace: shop, serviceAccount: s, workloadIps: ["10.202.0.2"], protocol: HBONE, node: n1, services: {}, authorizationPolicies: ["shop/strict"] }
- { uid: o, name: o, namespace: shop, serviceAccount: o, workloadIps: ["10.202.0.3"], protocol: HBONE, node: n1, services: {} }
policies:
- { name: strict, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ notPrincipals: [!Presence []] }]]] }
`;

test(
  'with a real node proxy: new connections are carried with the client as source, STRICT ends old plaintext, other old connections live on',
  { skip },
  async () => {
    await using node = await createAgentNode();
    const client = node.pod('c', '10.202.0.1');
    const strict = node.pod('s', '10.202.0.2');
    const open1 = node.pod('o', '10.202.0.3');
    await using _strict = await greetIn(strict, 8080, 'strict');
    await using _open = await greetIn(open1, 8080, 'open');
    const [denied, allowed] = [
      await open(client.netns.fd, strict.ip, 8080),
      await open(client.netns.fd, open1.ip, 8080),
    ];
    await Promise.all([lineOf(denied), lineOf(allowed)]);
    const agent = await node.start();
    await using proxy = startNodeProxy(
      {
        NODE_NAME: 'n1',
        XDS_ADDRESS: '',
        FAKE_CA: 'true',
        AMBIT_FAKE_CA_DIR: join(node.run, 'ca'),
        LOCAL_XDS: meshState,
        INPOD_UDS: join(node.run, 'ztunnel.sock'),
        AMBIT_LOOPBACK_ADDRESS: '127.73.0.1',
        ZTUNNEL_WORKER_THREADS: '1',
        CONNECTION_TERMINATION_DEADLINE: '5s',
      },
      { address: '127.73.0.1' },
    );
    await proxy.ready();
    for (const name of ['c', 's', 'o']) node.label(name, 'ambient');
    for (const name of ['c', 's', 'o']) await node.until(name, 'enabled');
    // Both ends are in the mesh: this crosses two listeners and a tunnel, and STRICT lets it in.
    assert.equal(await greeting(client.netns.fd, strict.ip, 8080), `strict ${client.ip}`);
    await proxy.line('connection complete', 'src.identity="spiffe://cluster.local/ns/shop/sa/c"', ':15008');
    await eventually(
      () => denied.destroyed,
      () => agent.lines.slice(-10).join('\n'),
    );
    await eventually(
      () =>
        agent.lines.some((line) => line.includes('unprotected connection was reset') && line.includes('shop/strict')),
      () => agent.lines.slice(-10).join('\n'),
    );
    assert.ok(await echoes(allowed, 'still here'));

    // Out of the mesh again: plain connections as before.
    for (const name of ['c', 's', 'o']) node.label(name, undefined);
    for (const name of ['c', 's', 'o']) await node.until(name, undefined);
    assert.equal(await greeting(client.netns.fd, strict.ip, 8080), `strict ${client.ip}`);
    assert.deepEqual([client.rules(), strict.rules(), open1.rules()], ['', '', '']);
  },
);
