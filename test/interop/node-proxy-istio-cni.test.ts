// Our node proxy under the node agent of somebody else: istio-cni selects pods, makes the rules and hands the namespaces over.
// Needs AMBIT_PEER_INSTALL_CNI and AMBIT_PEER_ISTIO_CNI, which name its agent and its plugin. Root only.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type IstioCniPrograms, startIstioCni } from '../fixtures/istio-cni.ts';
import { outliveAgent, startLate, startMeshNode, talkInTunnel } from '../fixtures/mesh-node.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { says } from '../fixtures/pod-calls.ts';

const [installCni, istioCni] = [peerProgram('install-cni'), peerProgram('istio-cni')];
const programs = installCni === undefined || istioCni === undefined ? undefined : { installCni, istioCni };
if (programs === undefined) process.stdout.write('not run: istio-cni\n');
const isRoot = process.getuid?.() === 0;
const skip = !isRoot ? 'needs root for network namespaces' : programs === undefined ? 'not run: istio-cni' : false;

async function matrix(
  t: TestContext,
  peers: IstioCniPrograms,
  backend: Readonly<Record<string, string>>,
): Promise<void> {
  const mesh = await startMeshNode(t);
  const { node } = mesh;
  const [client, server] = [node.pod('c', '10.202.0.1'), node.pod('s', '10.202.0.2')];
  mesh.publish([client, server]);
  await mesh.serve(server);
  const start = async () => mesh.keep.use(await startIstioCni(node, peers, backend));
  const agent = await start();
  const proxy = await mesh.generation();

  await t.test('running pods are handed over, and talk in tunnels', async () => {
    await mesh.enrolled(() => agent, 'c', 's');
    await talkInTunnel(mesh, proxy, client, server);
  });

  await t.test('a new pod waits for the plugin, and is served when it starts', async () =>
    startLate(mesh, agent, server),
  );

  await t.test('a pod that leaves the mesh is let go, the others stay', async () => {
    node.label('c', undefined);
    await node.until('c', undefined);
    assert.equal(client.rules(), '');
    assert.equal(await says(client, server.ip, 'from outside'), 'from outside');
    await proxy.line('connection complete', 'direction="inbound"', `src.addr=${client.ip}`);
  });

  await t.test('without its agent the proxy goes on serving, and a new agent gives it the same pods', async () => {
    await mesh.enrolled(() => agent, 'c');
    await outliveAgent(client, server, agent, async () => void (await start()));
  });
}

for (const [tool, backend] of Object.entries({
  iptables: { NATIVE_NFTABLES: 'false' },
  nftables: { NATIVE_NFTABLES: 'true' },
}))
  test(`our node proxy under istio-cni, rules by ${tool}`, { skip, timeout: 180_000 }, async (t) => {
    if (programs !== undefined) await matrix(t, programs, backend);
  });
