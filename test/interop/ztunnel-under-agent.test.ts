// Node proxies of two makes under our node agent: the agent selects pods, makes the rules and hands the namespaces over; what the proxy does
// with them must be the same. ztunnel runs when AMBIT_PEER_ZTUNNEL names it; ours always, which proves the test. Root only.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { bindListener, connect, listen } from '@ambit/net';
import { Action, Scope } from '@ambit/proto/authorization';
import { TunnelProtocol } from '@ambit/proto/workload';
import { type AgentProcess, eventually } from '../fixtures/agent-process.ts';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { ipv4, type MeshControl, startMeshControl } from '../fixtures/mesh-control.ts';
import { type AgentNode, type AgentTestPod, createAgentNode } from '../fixtures/node-agent.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { dial, domainOf, says } from '../fixtures/pod-calls.ts';
import type { PodNamespace } from '../fixtures/pod-network.ts';
import { countOnWire } from '../fixtures/wire.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const ztunnel = peerProgram('ztunnel');
const programs = { ambit: undefined, ...(ztunnel === undefined ? {} : { ztunnel: [ztunnel, 'proxy', 'ztunnel'] }) };
if (ztunnel === undefined) process.stdout.write('not run: ztunnel\n');

const marker = 'in-plaintext-on-the-wire';
const backends = { nftables: { NATIVE_NFTABLES: 'true' }, iptables: { NATIVE_NFTABLES: 'false' } };

function publish(control: MeshControl, pods: readonly PodNamespace[]): void {
  for (const { name, ip } of pods)
    control.workload({
      uid: `Kubernetes//Pod/shop/${name}`,
      name,
      namespace: 'shop',
      serviceAccount: name,
      addresses: [ipv4(ip)],
      tunnelProtocol: TunnelProtocol.HBONE,
      node: 'n1',
      ...(name === 's' ? { authorizationPolicies: ['shop/not-d'] } : {}),
    });
  control.policy({
    name: 'not-d',
    namespace: 'shop',
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    groups: [
      {
        rules: [{ matches: [{ principals: [{ matchType: { case: 'exact', value: 'cluster.local/ns/shop/sa/d' } }] }] }],
      },
    ],
  });
}

interface Given {
  readonly node: AgentNode;
  readonly control: MeshControl;
  readonly seen: string[];
  /** Starts one more generation of the proxy. */
  readonly generation: () => Promise<NodeProxyProcess>;
}

async function setUp(t: TestContext, program: readonly string[] | undefined): Promise<Given> {
  const stack = new AsyncDisposableStack();
  t.after(async () => stack.disposeAsync());
  const control = stack.use(await startMeshControl());
  const node = stack.use(await createAgentNode());
  writeFileSync(
    join(node.cniFolder, '10-net.conflist'),
    '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}',
  );
  let homes = 0;
  return {
    node,
    control,
    seen: [],
    async generation() {
      homes += 1;
      const home = node.pod(`n${homes}`, `10.202.0.${200 + homes}`);
      await control.reachableIn(domainOf(home));
      return stack.use(
        startNodeProxy(
          {
            ...control.environment,
            NODE_NAME: 'n1',
            PROXY_MODE: 'shared',
            INPOD_UDS: join(node.run, 'ztunnel.sock'),
            RUST_LOG: 'info,access=debug',
            CONNECTION_TERMINATION_DEADLINE: '10s',
            ZTUNNEL_WORKER_THREADS: '1',
          },
          {
            address: '127.0.0.1',
            wrap: ['ip', 'netns', 'exec', home.namespace],
            ...(program === undefined ? {} : { program }),
          },
        ),
      );
    },
  };
}

async function matrix(
  t: TestContext,
  program: readonly string[] | undefined,
  backend: Readonly<Record<string, string>>,
): Promise<void> {
  const { node, control, seen, generation } = await setUp(t, program);
  const names = ['c', 's', 'd'] as const;
  const [client, server, denied] = names.map((name, index) => node.pod(name, `10.202.0.${index + 1}`)) as [
    AgentTestPod,
    AgentTestPod,
    AgentTestPod,
  ];
  const outside = node.pod('o', '10.202.0.9');
  publish(control, [client, server, denied]);
  using listener = await listen(bindListener(domainOf(server), { port: 8080 }), {
    onConnection(endpoint) {
      seen.push(endpoint.remote?.ip ?? '');
      echoBack(endpoint);
    },
  }).then((open) => ({ open, [Symbol.dispose]: () => open.close() }));
  assert.ok(listener.open);
  let agent: AgentProcess = await node.start(backend);
  const one = await generation();
  for (const name of names) node.label(name, 'ambient');
  for (const name of names) await node.until(name, 'enabled');
  using wire = countOnWire(node.bridgeFd, marker);

  await t.test('pods of the mesh talk in tunnels, and the application sees the client', async () => {
    assert.equal(await says(client, server.ip, marker), marker);
    assert.deepEqual(seen.slice(-1), [client.ip]);
    assert.equal(wire.marked(), 0);
    await one.line('connection complete', 'direction="inbound"', 'spiffe://cluster.local/ns/shop/sa/c');
  });

  await t.test('plaintext from outside goes through the proxy, and so does what goes outside', async () => {
    assert.equal(await says(outside, server.ip, 'from outside'), 'from outside');
    assert.deepEqual(seen.slice(-1), [outside.ip]);
    await one.line('connection complete', 'direction="inbound"', `src.addr=${outside.ip}`);
    const plain = await listen(bindListener(domainOf(outside), { port: 8080 }), { onConnection: echoBack });
    assert.equal(await says(client, outside.ip, 'to outside'), 'to outside');
    plain.close();
  });

  await t.test('probes of the node reach the application past the proxy', async () => {
    const endpoint = await connect(
      { kind: 'netns', fd: node.bridgeFd },
      { host: server.ip, port: 8080, timeoutMs: 5000 },
    );
    assert.equal(await echoed(endpoint, 'probe'), 'probe');
    endpoint.close();
    assert.deepEqual(seen.slice(-1), ['169.254.7.127']);
  });

  await t.test('a policy denies by identity', async () => {
    const before = seen.length;
    await assert.rejects(says(denied, server.ip, 'let me in'));
    assert.equal(seen.length, before);
  });

  await t.test('a new pod waits for the plugin, and is served when it starts', async () => {
    const late = node.sandbox('late', '10.202.0.20');
    node.label('late', 'ambient');
    publish(control, [client, server, denied, late]);
    const { status, stdout } = await node.cni('ADD', late);
    assert.equal(status, 0, stdout);
    assert.equal(await says(late, server.ip, marker), marker);
    assert.deepEqual(seen.slice(-1), [late.ip]);
  });

  await t.test('a new agent finds all pods, the proxy connects again and nothing of the traffic is lost', async () => {
    const long = await dial(client, server.ip);
    assert.equal(await echoed(long, 'before'), 'before');
    await agent.stop();
    assert.equal(await says(client, server.ip, 'without an agent'), 'without an agent');
    agent = await node.start(backend);
    await eventually(
      async () => (await agent.metric('ztunnel_connected')) === 1,
      () => agent.lines.slice(-10).join('\n'),
      30_000,
    );
    assert.equal(await echoed(long, 'after'), 'after');
    long.close();
    assert.equal(await says(client, server.ip, 'with a new one'), 'with a new one');
  });

  await t.test('a new generation of the proxy takes over', async () => {
    const long = await dial(client, server.ip);
    assert.equal(await echoed(long, 'before'), 'before');
    await generation();
    // It listens in every pod once it has the whole snapshot.
    await eventually(
      async () => (await agent.page(9876, '/debug/enrolment')).split('"hasSnapshot": true').length === 3,
      () => agent.lines.slice(-10).join('\n'),
      30_000,
    );
    one.child.kill('SIGTERM');
    for (let count = 0; count < 20; count += 1) assert.equal(await says(client, server.ip, marker), marker);
    assert.equal(await echoed(long, 'during'), 'during');
    long.close();
    assert.equal(await one.exited, 0);
    assert.equal(await says(client, server.ip, marker), marker);
  });

  await t.test('out of the mesh the pods speak in plaintext again, and no rule is left', async () => {
    assert.equal(wire.marked(), 0, 'until now nothing of the mesh was in plaintext');
    for (const name of names) node.label(name, undefined);
    for (const name of names) await node.until(name, undefined);
    assert.deepEqual([client.rules(), server.rules()], ['', '']);
    assert.equal(await says(client, server.ip, marker), marker);
    await eventually(
      () => wire.marked() > 0,
      () => `${wire.total()} packets`,
    );
  });
}

for (const [make, program] of Object.entries(programs))
  for (const [tool, backend] of Object.entries(backends))
    test(`${make} under our node agent, rules by ${tool}`, { skip, timeout: 180_000 }, async (t) =>
      matrix(t, program, backend),
    );
