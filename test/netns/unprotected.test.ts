// What an agent knows of connections from before an enrolment once another agent has taken its place: those that the node proxy carries are
// none of them, those that were open before still are. Root only.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bindListener, type Endpoint, listen } from '@ambit/net';
import { type AgentProcess, eventually } from '../fixtures/agent-process.ts';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { type AgentNode, type AgentTestPod, createAgentNode } from '../fixtures/node-agent.ts';
import { startNodeProxy } from '../fixtures/node-proxy.ts';
import { dial, domainOf } from '../fixtures/pod-calls.ts';

const options = { skip: process.getuid?.() === 0 ? false : 'needs root for network namespaces', timeout: 120_000 };

const strict = `, authorizationPolicies: ["shop/strict"]`;
const meshState = `
workloads:
- { uid: c, name: c, namespace: shop, serviceAccount: c, workloadIps: ["10.202.0.1"], protocol: HBONE, node: n1, services: {} }
- { uid: s, name: s, namespace: shop, serviceAccount: s, workloadIps: ["10.202.0.2"], protocol: HBONE, node: n1, services: {}${strict} }
- { uid: o, name: o, namespace: shop, serviceAccount: o, workloadIps: ["10.202.0.3"], protocol: HBONE, node: n1, services: {} }
policies:
- { name: strict, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ notPrincipals: [!Presence []] }]]] }
`;

interface World {
  readonly node: AgentNode;
  readonly names: readonly string[];
  /** Connections that a node proxy carries, one of them under STRICT. */
  readonly held: readonly Endpoint[];
  /** The connection from before the enrolment; no policy denies it. */
  readonly old: Endpoint;
  readonly first: AgentProcess;
}

/** Three pods in the mesh. */
async function world(t: TestContext): Promise<World> {
  const keep = new AsyncDisposableStack();
  t.after(async () => keep.disposeAsync());
  const node = keep.use(await createAgentNode());
  const [client, covered, uncovered] = ['c', 's', 'o'].map((name, index) =>
    node.pod(name, `10.202.0.${index + 1}`),
  ) as [AgentTestPod, AgentTestPod, AgentTestPod];
  for (const pod of [covered, uncovered]) {
    const listener = await listen(bindListener(domainOf(pod), { port: 8080 }), { onConnection: echoBack });
    keep.defer(() => listener.close());
  }
  const open = async (to: AgentTestPod): Promise<Endpoint> => {
    const endpoint = await dial(client, to.ip);
    // Before the listeners, which wait for what they have.
    keep.defer(() => endpoint.close());
    return endpoint;
  };
  const old = await open(uncovered);
  assert.equal(await echoed(old, 'old'), 'old');
  const first = await node.start();
  const proxy = keep.use(
    startNodeProxy(
      {
        NODE_NAME: 'n1',
        XDS_ADDRESS: '',
        FAKE_CA: 'true',
        AMBIT_FAKE_CA_DIR: join(node.run, 'ca'),
        LOCAL_XDS: meshState,
        INPOD_UDS: join(node.run, 'ztunnel.sock'),
        AMBIT_LOOPBACK_ADDRESS: '127.76.0.1',
        ZTUNNEL_WORKER_THREADS: '1',
      },
      { address: '127.76.0.1' },
    ),
  );
  await proxy.ready();
  const names = ['c', 's', 'o'];
  for (const name of names) node.label(name, 'ambient');
  for (const name of names) await node.until(name, 'enabled');
  const held = [await open(covered), await open(uncovered)];
  for (const endpoint of held) assert.equal(await echoed(endpoint, 'held'), 'held');
  return { node, names, held, old, first };
}

/** Starts an agent that finds the pods only after it is ready: it captures them with everything that it does to a pod. */
async function succeed({ node, names }: World): Promise<AgentProcess> {
  for (const name of names) node.hide(name);
  const next = await node.start();
  for (const name of names) node.unhide(name);
  await eventually(
    () => next.lines.filter((line) => line.includes('pod enrolled')).length >= names.length,
    () => next.lines.slice(-20).join('\n'),
    60_000,
  );
  return next;
}

/** What the agent lets a node proxy judge: the pods that accepted a connection from before. */
async function judged({ node }: World): Promise<readonly string[]> {
  const list = JSON.parse(await node.post('ambit-unprotected.sock', 'GET', '/unprotected', '')) as {
    workload: { name: string };
  }[];
  return list.map(({ workload }) => workload.name);
}

async function published({ node }: World, pod: string, count: string | undefined): Promise<void> {
  const of = (): string | undefined =>
    node.object(pod).metadata?.annotations?.['ambient.ambit.io/unprotected-connections'];
  await eventually(
    () => of() === count,
    () => `${pod} says ${of() ?? 'nothing'}, not ${count ?? 'nothing'}`,
    30_000,
  );
}

test('the next agent lets carried connections be, and still knows the one from before', options, async (t) => {
  const mesh = await world(t);
  const { node, held, old } = mesh;
  await published(mesh, 'o', '1');
  await mesh.first.stop();
  const second = await succeed(mesh);
  assert.deepEqual(await judged(mesh), ['o'], second.lines.slice(-20).join('\n'));
  // Counted where it was opened and where it was accepted.
  await eventually(
    async () => (await second.metric('ambit_unprotected_connections')) === 2,
    () => second.lines.slice(-20).join('\n'),
    30_000,
  );

  // Without a record the tables of the pods tell the same.
  await second.kill();
  rmSync(join(node.run, 'unprotected'), { recursive: true });
  const third = await succeed(mesh);
  assert.deepEqual(await judged(mesh), ['o'], third.lines.slice(-20).join('\n'));
  for (const pod of ['c', 'o']) await published(mesh, pod, '1');
  await published(mesh, 's', undefined);
  for (const endpoint of [...held, old]) assert.equal(await echoed(endpoint, 'lives'), 'lives');
  for (const { lines } of [second, third]) assert.ok(!lines.some((line) => line.includes('connection was reset')));

  // When the old one ends, nothing is left to say.
  old.close();
  for (const pod of ['c', 'o']) await published(mesh, pod, undefined);
});
