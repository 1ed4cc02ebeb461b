// Node proxies of two makes under our node agent: the agent selects pods, makes the rules and hands the namespaces over; what the proxy does
// with them must be the same. ztunnel runs when AMBIT_PEER_ZTUNNEL names it; ours always, which proves the test. Root only.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { bindListener, connect, listen } from '@ambit/net';
import { Action, Scope } from '@ambit/proto/authorization';
import { type AgentProcess, eventually } from '../fixtures/agent-process.ts';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { marker, outliveAgent, startLate, startMeshNode, talkInTunnel } from '../fixtures/mesh-node.ts';
import type { AgentTestPod } from '../fixtures/node-agent.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { dial, domainOf, says } from '../fixtures/pod-calls.ts';
import { countOnWire } from '../fixtures/wire.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const ztunnel = peerProgram('ztunnel');
const programs = { ambit: undefined, ...(ztunnel === undefined ? {} : { ztunnel: [ztunnel, 'proxy', 'ztunnel'] }) };
if (ztunnel === undefined) process.stdout.write('not run: ztunnel\n');

const backends = { nftables: { NATIVE_NFTABLES: 'true' }, iptables: { NATIVE_NFTABLES: 'false' } };

async function matrix(
  t: TestContext,
  program: readonly string[] | undefined,
  backend: Readonly<Record<string, string>>,
): Promise<void> {
  const mesh = await startMeshNode(t);
  const { node, control, seen } = mesh;
  const names = ['c', 's', 'd'] as const;
  const [client, server, denied] = names.map((name, index) => node.pod(name, `10.202.0.${index + 1}`)) as [
    AgentTestPod,
    AgentTestPod,
    AgentTestPod,
  ];
  const outside = node.pod('o', '10.202.0.9');
  mesh.publish([client, server, denied], { s: ['shop/not-d'] });
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
  await mesh.serve(server);
  let agent: AgentProcess = await node.start(backend);
  const one = await mesh.generation(program);
  await mesh.enrolled(() => agent, ...names);
  using wire = countOnWire(node.bridgeFd, marker);

  await t.test('pods of the mesh talk in tunnels, and the application sees the client', async () =>
    talkInTunnel(mesh, one, client, server),
  );

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

  await t.test('a new pod waits for the plugin, and is served when it starts', async () =>
    startLate(mesh, agent, server),
  );

  await t.test('a new agent finds all pods, the proxy connects again and nothing of the traffic is lost', async () =>
    outliveAgent(client, server, agent, async () => {
      agent = await node.start(backend);
      await eventually(
        async () => (await agent.metric('ztunnel_connected')) === 1,
        () => agent.lines.slice(-10).join('\n'),
        30_000,
      );
    }),
  );

  await t.test('a new generation of the proxy takes over', async () => {
    const long = await dial(client, server.ip);
    assert.equal(await echoed(long, 'before'), 'before');
    await mesh.generation(program);
    // It listens in every pod once it has the whole snapshot.
    await eventually(
      async () => (await agent.page(9876, '/debug/enrolment')).split('"hasSnapshot": true').length === 3,
      () => agent.lines.slice(-10).join('\n'),
      30_000,
    );
    one.child.kill('SIGTERM');
    // ztunnel loses what reaches it while it closes its listeners (spec node-agent 9.2, gap G2); ours is asked at once.
    const listeners = (): number =>
      [client.run('ss', '-Hlnt', 'sport = :15001'), server.run('ss', '-Hlnt', 'sport = :15008')]
        .join('')
        .trim()
        .split('\n').length;
    if (program !== undefined)
      await eventually(
        () => listeners() === 2,
        () => `${listeners()} listeners in two pods`,
        30_000,
      );
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
