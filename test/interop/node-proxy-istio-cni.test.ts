// Our node proxy under the node agent of somebody else: istio-cni selects pods, makes the rules and hands the namespaces over.
// Needs AMBIT_PEER_INSTALL_CNI and AMBIT_PEER_ISTIO_CNI, which name its agent and its plugin. Root only.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { bindListener, listen } from '@ambit/net';
import { TunnelProtocol } from '@ambit/proto/workload';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { type IstioCniPrograms, startIstioCni } from '../fixtures/istio-cni.ts';
import { ipv4, type MeshControl, startMeshControl } from '../fixtures/mesh-control.ts';
import { createAgentNode } from '../fixtures/node-agent.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { dial, domainOf, says } from '../fixtures/pod-calls.ts';
import type { PodNamespace } from '../fixtures/pod-network.ts';
import { countOnWire } from '../fixtures/wire.ts';

const [installCni, istioCni] = [peerProgram('install-cni'), peerProgram('istio-cni')];
const programs = installCni === undefined || istioCni === undefined ? undefined : { installCni, istioCni };
if (programs === undefined) process.stdout.write('not run: istio-cni\n');
const isRoot = process.getuid?.() === 0;
const skip = !isRoot ? 'needs root for network namespaces' : programs === undefined ? 'not run: istio-cni' : false;

const marker = 'in-plaintext-on-the-wire';

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
    });
}

async function matrix(
  t: TestContext,
  peers: IstioCniPrograms,
  backend: Readonly<Record<string, string>>,
): Promise<void> {
  const stack = new AsyncDisposableStack();
  t.after(async () => stack.disposeAsync());
  const control = stack.use(await startMeshControl());
  const node = stack.use(await createAgentNode());
  writeFileSync(
    join(node.cniFolder, '10-net.conflist'),
    '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}',
  );
  const [client, server] = [node.pod('c', '10.202.0.1'), node.pod('s', '10.202.0.2')];
  const home = node.pod('home', '10.202.0.201');
  publish(control, [client, server]);
  const seen: string[] = [];
  const listener = await listen(bindListener(domainOf(server), { port: 8080 }), {
    onConnection(endpoint) {
      seen.push(endpoint.remote?.ip ?? '');
      echoBack(endpoint);
    },
  });
  stack.defer(() => listener.close());
  const agent = stack.use(await startIstioCni(node, peers, backend));
  await control.reachableIn(domainOf(home));
  const proxy: NodeProxyProcess = stack.use(
    startNodeProxy(
      {
        ...control.environment,
        NODE_NAME: 'n1',
        PROXY_MODE: 'shared',
        INPOD_UDS: join(node.run, 'ztunnel.sock'),
        RUST_LOG: 'info,access=debug',
        ZTUNNEL_WORKER_THREADS: '1',
      },
      { address: '127.0.0.1', wrap: ['ip', 'netns', 'exec', home.namespace] },
    ),
  );
  const untilInMesh = async (name: string): Promise<void> => {
    await node.until(name, 'enabled').catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${agent.lines.slice(-20).join('\n')}`);
    });
  };

  await t.test('running pods are handed over, and talk in tunnels', async () => {
    for (const name of ['c', 's']) node.label(name, 'ambient');
    for (const name of ['c', 's']) await untilInMesh(name);
    using wire = countOnWire(node.bridgeFd, marker);
    assert.equal(await says(client, server.ip, marker), marker);
    assert.deepEqual(seen, [client.ip]);
    assert.equal(wire.marked(), 0);
    await proxy.line('connection complete', 'direction="inbound"', 'spiffe://cluster.local/ns/shop/sa/c');
  });

  await t.test('a new pod waits for the plugin, and is served when it starts', async () => {
    const late = node.sandbox('late', '10.202.0.20');
    node.label('late', 'ambient');
    publish(control, [late]);
    const { status, stdout } = await node.cni('ADD', late);
    assert.equal(status, 0, `${stdout}\n${agent.lines.slice(-20).join('\n')}`);
    assert.equal(await says(late, server.ip, marker), marker);
    assert.deepEqual(seen.slice(-1), [late.ip]);
  });

  await t.test('a pod that leaves the mesh is let go, the others stay', async () => {
    node.label('c', undefined);
    await node.until('c', undefined);
    assert.equal(client.rules(), '');
    assert.equal(await says(client, server.ip, 'from outside'), 'from outside');
    await proxy.line('connection complete', 'direction="inbound"', `src.addr=${client.ip}`);
  });

  await t.test('without its agent the proxy goes on serving, and a new agent gives it the same pods', async () => {
    node.label('c', 'ambient');
    await untilInMesh('c');
    const long = await dial(client, server.ip);
    assert.equal(await echoed(long, 'before'), 'before');
    await agent.stop();
    assert.equal(await says(client, server.ip, 'without an agent'), 'without an agent');
    stack.use(await startIstioCni(node, peers, backend));
    assert.equal(await echoed(long, 'after'), 'after');
    long.close();
    assert.equal(await says(client, server.ip, 'with a new one'), 'with a new one');
  });
}

for (const [tool, backend] of Object.entries({
  iptables: { NATIVE_NFTABLES: 'false' },
  nftables: { NATIVE_NFTABLES: 'true' },
}))
  test(`our node proxy under istio-cni, rules by ${tool}`, { skip, timeout: 180_000 }, async (t) => {
    if (programs !== undefined) await matrix(t, programs, backend);
  });
