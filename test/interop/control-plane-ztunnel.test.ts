// Node proxies under our control plane on two nodes: pods, services, policies and certificates come from Kubernetes objects, and
// traffic flows, is refused, and follows changes. With ztunnel when AMBIT_PEER_ZTUNNEL names it; with ours always, which proves the test.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bindListener, connect, listen, type SocketDomain } from '@ambit/net';
import type { KubernetesObject } from '@ambit/resources';
import { startTestControlPlane, trustNodeProxy } from '../fixtures/control-plane.ts';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { startNodeProxy } from '../fixtures/node-proxy.ts';
import { packetAgent } from '../fixtures/packet-agent.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { createPodNetwork, type PodNamespace } from '../fixtures/pod-network.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const ztunnel = peerProgram('ztunnel');
if (ztunnel === undefined) process.stdout.write('not run: ztunnel\n');
const programs = { ambit: undefined, ...(ztunnel === undefined ? {} : { ztunnel: [ztunnel, 'proxy', 'ztunnel'] }) };

const VIP = '10.96.0.20';
const domainOf = (pod: PodNamespace): SocketDomain => ({ kind: 'netns', fd: pod.netns.fd });

function podObject(name: string, node: string, ip: string): KubernetesObject {
  return {
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      labels: { app: name },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
    },
    spec: { nodeName: node, serviceAccountName: name, containers: [{ name: 'app', image: 'app' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

const service: KubernetesObject = {
  kind: 'Service',
  metadata: { name: 'server', namespace: 'shop' },
  spec: { clusterIP: VIP, selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }] },
};

const denyClient: KubernetesObject = {
  kind: 'AuthorizationPolicy',
  metadata: { name: 'no-client', namespace: 'shop' },
  spec: {
    action: 'DENY',
    selector: { matchLabels: { app: 'server' } },
    rules: [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/client'] } }] }],
  },
} as KubernetesObject;

async function underOurControlPlane(t: TestContext, make: keyof typeof programs): Promise<void> {
  const stack = new AsyncDisposableStack();
  t.after(async () => stack.disposeAsync());
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-interop-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const network = stack.use(createPodNetwork());
  const pods = {
    client: network.pod('c', '10.202.0.1', { enrolled: true }),
    server: network.pod('s', '10.202.0.2', { enrolled: true }),
  };
  const control = stack.use(
    await startTestControlPlane((cluster) => {
      cluster.put({ kind: 'Namespace', metadata: { name: 'shop' } });
      cluster.put(podObject('client', 'node-a', pods.client.ip));
      cluster.put(podObject('server', 'node-b', pods.server.ip));
      cluster.put(service);
      for (const node of ['node-a', 'node-b']) trustNodeProxy(cluster, node);
    }),
  );
  const seen: string[] = [];
  const application = await listen(bindListener(domainOf(pods.server), { port: 8080 }), {
    onConnection(endpoint) {
      seen.push(endpoint.remote?.ip ?? '');
      echoBack(endpoint);
    },
  });
  stack.defer(() => application.close());

  const program = programs[make];
  const startNode = async (node: string, account: 'client' | 'server', index: number) => {
    const uds = join(scratch, `${node}.sock`);
    const member = { uid: `uid-${account}`, name: account, namespace: 'shop', serviceAccount: account };
    const agent = stack.use(packetAgent(uds, [{ ...member, netns: pods[account].netns.fd }]));
    const home = network.pod(`n${index}`, `10.202.0.${200 + index}`, { enrolled: false });
    await control.reachableIn(domainOf(home));
    const settings = { ...control.environment(node), INPOD_UDS: uds, RUST_LOG: 'info', ZTUNNEL_WORKER_THREADS: '1' };
    const wrap = ['ip', 'netns', 'exec', home.namespace];
    const options = { address: '127.0.0.1', wrap, ...(program === undefined ? {} : { program }) };
    const proxy = stack.use(startNodeProxy(settings, options));
    await agent.snapshotTaken();
    return proxy;
  };
  const first = await startNode('node-a', 'client', 1);
  await startNode('node-b', 'server', 2);
  const answer = async (): Promise<string> => {
    const endpoint = await connect(domainOf(pods.client), { host: VIP, port: 80, timeoutMs: 5_000 });
    try {
      return await echoed(endpoint, 'hello');
    } finally {
      endpoint.close();
    }
  };
  const until = async (what: string, isTrue: () => Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while (!(await isTrue().catch(() => false))) {
      assert.ok(Date.now() < deadline, `${what}\n${control.output().slice(-3000)}`);
      await delay(50);
    }
  };

  await until('traffic flows to the service', async () => (await answer()) === 'hello');
  assert.equal(seen[0], pods.client.ip, 'the application sees the client');
  await first.line('connection complete', 'direction="outbound"', `dst.hbone_addr=${pods.server.ip}:8080`);

  control.cluster.put(denyClient);
  await until('the policy denies', async () =>
    answer().then(
      (text) => text !== 'hello',
      () => true,
    ),
  );
  control.cluster.remove({ kind: 'AuthorizationPolicy', namespace: 'shop', name: 'no-client' });
  await until('traffic flows again', async () => (await answer()) === 'hello');
}

for (const make of Object.keys(programs) as (keyof typeof programs)[]) {
  test(`${make}: workloads, certificates and policies come from Kubernetes objects`, { skip, timeout: 120_000 }, (t) =>
    underOurControlPlane(t, make),
  );
}
