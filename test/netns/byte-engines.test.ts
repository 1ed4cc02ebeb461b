// The traffic matrix of the byte engines: three nodes, each with a node proxy of another engine, and every pod with every other:
// both address families, bulk both ways, policies, and a rollout of all three under a connect loop. Root only.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BYTE_ENGINES, type ByteEngineName } from '@ambit/hbone';
import { bindListener, connect, type Endpoint, isSecureEngineUsable, listen, type SocketDomain } from '@ambit/net';
import { echoBack, echoed, exchanged } from '../fixtures/endpoints.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { packetAgent } from '../fixtures/packet-agent.ts';
import { createPodNetwork, type PodNamespace } from '../fixtures/pod-network.ts';
import { captureWire } from '../fixtures/wire.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const engines = Object.values(BYTE_ENGINES)
  .filter(({ secure }) => isSecureEngineUsable(secure) === true)
  .map(({ name }) => name);
const BULK_BYTES = 3_000_000;
const AT_ONCE = 20;

/** One node: pods that call, that answer, and that nobody may be called by. */
interface Node {
  readonly engine: ByteEngineName;
  readonly client: PodNamespace;
  readonly server: PodNamespace;
  readonly denied: PodNamespace;
  generation(number: number): NodeProxyProcess;
}

interface Mesh extends AsyncDisposable {
  readonly nodes: readonly Node[];
  readonly bridge: number;
  /** Client addresses that applications saw. */
  readonly seen: string[];
}

const roles = ['client', 'server', 'denied'] as const;
const ipOf = (role: (typeof roles)[number], index: number): string =>
  `10.201.0.${10 * (1 + roles.indexOf(role)) + index}`;
const domainOf = (pod: PodNamespace): SocketDomain => ({ kind: 'netns', fd: pod.netns.fd });

function state(): string {
  const workloads = engines.flatMap((engine, index) =>
    roles.map((role) => {
      const ip = ipOf(role, index);
      const policies = role === 'server' ? ', authorizationPolicies: ["istio-system/strict", "shop/not-denied"]' : '';
      const addresses = `["${ip}", "fd00:201::${ip.split('.').at(-1)}"]`;
      return `- { uid: ${role}-${engine}, name: ${role}-${engine}, namespace: shop, serviceAccount: ${role}, workloadIps: ${addresses}, protocol: HBONE, node: ${engine}, services: {}${policies} }`;
    }),
  );
  return `
workloads:
${workloads.join('\n')}
policies:
- { name: strict, namespace: istio-system, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ notPrincipals: [!Presence []] }]]] }
- { name: not-denied, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ principals: [!Exact cluster.local/ns/shop/sa/denied] }]]] }
`;
}

async function startMesh(): Promise<Mesh> {
  const stack = new AsyncDisposableStack();
  try {
    const scratch = mkdtempSync(join(tmpdir(), 'ambit-byte-engines-'));
    stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
    const network = stack.use(createPodNetwork());
    const seen: string[] = [];
    const nodes: Node[] = [];
    for (const [index, engine] of engines.entries()) {
      const pods = roles.map((role) => network.pod(`${role[0]}${index}`, ipOf(role, index), { enrolled: true }));
      const [client, server, denied] = pods as [PodNamespace, PodNamespace, PodNamespace];
      const echo = await listen(bindListener(domainOf(server), { port: 8080 }), {
        onConnection(endpoint) {
          seen.push(endpoint.remote?.ip ?? '');
          echoBack(endpoint);
        },
      });
      stack.defer(() => echo.close());
      const uds = join(scratch, `${engine}.sock`);
      stack.use(
        packetAgent(
          uds,
          roles.map((role, at) => ({
            uid: `u-${role}-${engine}`,
            name: `${role}-${engine}`,
            namespace: 'shop',
            serviceAccount: role,
            netns: (pods[at] as PodNamespace).netns.fd,
          })),
        ),
      );
      const generation = (number: number): NodeProxyProcess => {
        const address = `127.75.${index}.${number}`;
        return stack.use(
          startNodeProxy(
            {
              NODE_NAME: engine,
              XDS_ADDRESS: '',
              FAKE_CA: 'true',
              AMBIT_FAKE_CA_DIR: join(scratch, 'ca'),
              LOCAL_XDS: state(),
              INPOD_UDS: uds,
              AMBIT_LOOPBACK_ADDRESS: address,
              AMBIT_BYTE_ENGINE: engine,
              ZTUNNEL_WORKER_THREADS: '2',
              CONNECTION_TERMINATION_DEADLINE: '20s',
            },
            { address },
          ),
        );
      };
      nodes.push({ engine, client, server, denied, generation });
    }
    return { nodes, bridge: network.bridge.fd, seen, [Symbol.asyncDispose]: async () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

const dial = async (from: PodNamespace, host: string): Promise<Endpoint> =>
  connect(domainOf(from), { host, port: 8080, timeoutMs: 10_000 });
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function pingOnce(from: PodNamespace, host: string): Promise<void> {
  const endpoint = await dial(from, host);
  assert.equal(await echoed(endpoint, 'ping'), 'ping');
  endpoint.close();
}

async function passesTraffic(from: Node, to: Node): Promise<void> {
  for (const host of [to.server.ip, to.server.ip6]) {
    await pingOnce(from.client, host);
    const bulk = randomBytes(BULK_BYTES);
    const endpoint = await dial(from.client, host);
    assert.equal(digest(await exchanged(endpoint, bulk)), digest(bulk), 'bytes changed on the way');
    endpoint.close();
  }
  await Promise.all(Array.from({ length: AT_ONCE }, async () => pingOnce(from.client, to.server.ip)));
  await assert.rejects(
    pingOnce(from.denied, to.server.ip),
    `${from.engine} to ${to.engine}: a denied identity came through`,
  );
}

test(
  'every engine carries the traffic of every other: addresses, bulk, policies, and a rollout',
  { skip },
  async () => {
    await using mesh = await startMesh();
    const { nodes } = mesh;
    const pairs = nodes.flatMap((from) => nodes.map((to) => [from, to] as const));
    const first = nodes.map((node) => node.generation(1));
    for (const [index, proxy] of first.entries()) {
      await proxy.line('snapshot complete');
      await proxy.line('byte engine chosen', `engine="${nodes[index]?.engine}"`);
    }
    {
      using wire = captureWire(mesh.bridge);
      for (const [from, to] of pairs) await passesTraffic(from, to);
      assert.ok(!wire.text().includes('ping'), 'plaintext crossed the wire');
    }
    const known = new Set(nodes.flatMap(({ client }) => [client.ip, client.ip6]));
    assert.deepEqual(
      mesh.seen.filter((ip) => !known.has(ip)),
      [],
      'applications saw other addresses than those of their clients',
    );
    assert.equal(mesh.seen.length, pairs.length * (4 + AT_ONCE));

    const long = await Promise.all(pairs.map(async ([from, to]) => dial(from.client, to.server.ip)));
    for (const endpoint of long) assert.equal(await echoed(endpoint, 'before'), 'before');
    const failures: string[] = [];
    const rounds = pairs.map(() => 0);
    let isRunning = true;
    // Also when an assertion fails: the loops would go on without proxies, as fast as connections are refused.
    using _loops = { [Symbol.dispose]: () => void (isRunning = false) };
    const loops = pairs.map(async ([from, to], index) => {
      while (isRunning) {
        try {
          await pingOnce(from.client, to.server.ip);
          rounds[index] = (rounds[index] ?? 0) + 1;
        } catch (error) {
          failures.push(`${from.engine} to ${to.engine}: ${String(error)}`);
        }
      }
    });
    const second = nodes.map((node) => node.generation(2));
    for (const proxy of second) await proxy.line('snapshot complete');
    for (const proxy of first) proxy.child.kill('SIGTERM');
    for (const proxy of first) await proxy.line('shutdown started');
    const mark = [...rounds];
    while (!rounds.every((count, index) => count > (mark[index] ?? 0) + 3)) {
      assert.deepEqual(failures, []);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const endpoint of long) {
      assert.equal(await echoed(endpoint, 'during'), 'during');
      endpoint.close();
    }
    isRunning = false;
    await Promise.all(loops);
    assert.deepEqual(failures, []);
    for (const proxy of first) {
      assert.equal(await proxy.exited, 0);
      await proxy.line('data threads drained', 'outcome="drained"');
    }
  },
);
