// Node proxies of two makes on two nodes, in every pairing: traffic, identities, refusals, policy changes, gateways to other
// networks, drain. Pairings with ztunnel run when AMBIT_PEER_ZTUNNEL names it; ours with ours always, which proves the test.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { BYTE_ENGINES, createHboneServer } from '@ambit/hbone';
import { createPeerVerifier } from '@ambit/identity';
import {
  bindListener,
  connect,
  createTlsContext,
  type Endpoint,
  isSecureEngineUsable,
  listen,
  relay,
  type SocketDomain,
} from '@ambit/net';
import { Action, Scope } from '@ambit/proto/authorization';
import { TunnelProtocol } from '@ambit/proto/workload';
import { silentLogger } from '@ambit/runtime/log';
import { echoBack, echoed, ended, exchanged } from '../fixtures/endpoints.ts';
import { ipv4, type MeshControl, startMeshControl } from '../fixtures/mesh-control.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { packetAgent, type PacketAgent } from '../fixtures/packet-agent.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { createPodNetwork, type PodNamespace, type PodNetwork } from '../fixtures/pod-network.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const ztunnel = peerProgram('ztunnel');
/** A proxy of some make, ours once for each engine that carries the bytes. */
interface Make {
  readonly name: string;
  readonly program?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const ambit: Make = { name: 'ambit' };
const engines: readonly Make[] = (['framed', 'libssl'] as const)
  .filter((engine) => isSecureEngineUsable(BYTE_ENGINES[engine].secure) === true)
  .map((engine) => ({ name: `ambit (${engine})`, environment: { AMBIT_BYTE_ENGINE: engine } }));
const peers: readonly Make[] =
  ztunnel === undefined ? [] : [{ name: 'ztunnel', program: [ztunnel, 'proxy', 'ztunnel'] }];
if (ztunnel === undefined) process.stdout.write('not run: ztunnel\n');

const vip = '10.96.0.20';
const farVip = '10.96.0.30';
const spiffe = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`;

/** One node: a proxy of some make, its agent, its pods. */
interface Node {
  readonly agent: PacketAgent;
  /** Starts one more generation. */
  generation(environment?: Readonly<Record<string, string>>): Promise<NodeProxyProcess>;
}

interface Mesh {
  readonly control: MeshControl;
  readonly network: PodNetwork;
  readonly pods: Readonly<Record<'client' | 'denied' | 'server' | 'far', PodNamespace>>;
  readonly clients: Node;
  readonly servers: Node;
  /** Addresses that the application saw. */
  readonly seen: string[];
}

const domainOf = (pod: PodNamespace): SocketDomain => ({ kind: 'netns', fd: pod.netns.fd });

/** Two nodes with pods and a control plane that knows them, for as long as the test; proxies are started by it. */
async function startPair(t: TestContext, clientMake: Make, serverMake: Make): Promise<Mesh> {
  const stack = new AsyncDisposableStack();
  t.after(async () => stack.disposeAsync());
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-interop-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const control = stack.use(await startMeshControl());
  const network = stack.use(createPodNetwork());
  const pods = {
    client: network.pod('c', '10.201.0.1', { enrolled: true }),
    denied: network.pod('d', '10.201.0.4', { enrolled: true }),
    server: network.pod('s', '10.201.0.2', { enrolled: true }),
    far: network.pod('f', '10.201.0.6', { enrolled: true }),
  };
  const seen: string[] = [];
  for (const pod of [pods.server, pods.far]) {
    const listener = await listen(bindListener(domainOf(pod), { port: 8080 }), {
      onConnection(endpoint) {
        seen.push(endpoint.remote?.ip ?? '');
        echoBack(endpoint);
      },
    });
    stack.defer(() => listener.close());
  }
  publish(control, pods);
  let homes = 0;
  const node = async (
    name: string,
    make: Make,
    members: readonly (readonly [string, PodNamespace])[],
  ): Promise<Node> => {
    const uds = join(scratch, `${name}.sock`);
    const agent = stack.use(
      packetAgent(
        uds,
        members.map(([account, pod]) => ({
          uid: `u-${account}`,
          name: account,
          namespace: 'shop',
          serviceAccount: account,
          netns: pod.netns.fd,
        })),
      ),
    );
    return {
      agent,
      async generation(environment = {}) {
        // Each has a namespace of its own, as a pod of the DaemonSet has: the admin ports of two do not meet.
        homes += 1;
        const home = network.pod(`n${homes}`, `10.201.0.${200 + homes}`, { enrolled: false });
        await control.reachableIn(domainOf(home));
        return stack.use(
          startNodeProxy(
            {
              ...control.environment,
              NODE_NAME: name,
              INPOD_UDS: uds,
              RUST_LOG: 'info,access=debug',
              CONNECTION_TERMINATION_DEADLINE: '10s',
              ZTUNNEL_WORKER_THREADS: '2',
              ...make.environment,
              ...environment,
            },
            {
              address: '127.0.0.1',
              wrap: ['ip', 'netns', 'exec', home.namespace],
              ...(make.program === undefined ? {} : { program: make.program }),
            },
          ),
        );
      },
    };
  };
  const clients = await node('node-a', clientMake, [
    ['client', pods.client],
    ['denied', pods.denied],
  ]);
  const servers = await node('node-b', serverMake, [
    ['server', pods.server],
    ['far', pods.far],
  ]);
  return { control, network, pods, clients, servers, seen };
}

/** What the control plane knows: the pods, a service over the server, one in another network, and one policy. */
function publish(control: MeshControl, pods: Mesh['pods']): void {
  for (const [account, pod] of Object.entries(pods)) {
    const isFar = account === 'far';
    const services = { server: 'shop/server.shop.svc.cluster.local', far: 'shop/far.shop.svc.cluster.local' };
    const service = account === 'server' || account === 'far' ? services[account] : undefined;
    control.workload({
      uid: `Kubernetes//Pod/shop/${account}`,
      name: account,
      namespace: 'shop',
      serviceAccount: account,
      workloadName: account,
      canonicalName: account,
      canonicalRevision: 'v1',
      addresses: [ipv4(pod.ip)],
      tunnelProtocol: TunnelProtocol.HBONE,
      node: account === 'client' || account === 'denied' ? 'node-a' : 'node-b',
      ...(isFar ? { network: 'west', networkGateway: gatewayReference() } : {}),
      ...(service === undefined ? {} : { services: { [service]: { ports: [{ servicePort: 80, targetPort: 8080 }] } } }),
      ...(account === 'server' ? { authorizationPolicies: ['shop/not-denied'] } : {}),
    });
  }
  control.workload({
    uid: 'Kubernetes//Pod/istio-system/gateway',
    name: 'gateway',
    namespace: 'istio-system',
    serviceAccount: 'gateway',
    network: 'west',
    addresses: [ipv4(gatewayIp)],
    tunnelProtocol: TunnelProtocol.HBONE,
    node: 'node-c',
  });
  const ports = [{ servicePort: 80, targetPort: 8080 }];
  control.service({
    name: 'server',
    namespace: 'shop',
    hostname: 'server.shop.svc.cluster.local',
    addresses: [{ network: '', address: ipv4(vip) }],
    ports,
  });
  control.service({
    name: 'far',
    namespace: 'shop',
    hostname: 'far.shop.svc.cluster.local',
    addresses: [{ network: '', address: ipv4(farVip) }],
    ports,
    subjectAltNames: [spiffe('far')],
  });
  control.policy(denyPolicy('not-denied', 'denied'));
}

const gatewayIp = '10.201.0.9';

function gatewayReference() {
  return {
    destination: { case: 'address' as const, value: { network: 'west', address: ipv4(gatewayIp) } },
    hboneMtlsPort: 15_008,
  };
}

function denyPolicy(name: string, account: string) {
  return {
    name,
    namespace: 'shop',
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    groups: [
      {
        rules: [
          { matches: [{ principals: [{ matchType: { case: 'exact' as const, value: spiffe(account).slice(9) } }] }] },
        ],
      },
    ],
  };
}

const dial = async (from: PodNamespace, to: string, port: number): Promise<Endpoint> =>
  connect(domainOf(from), { host: to, port, timeoutMs: 10_000 });

/** The gateway of the other network: ends the outer tunnel and passes the bytes inside on, unread. */
async function startGateway(mesh: Mesh): Promise<Disposable & { readonly authorities: string[] }> {
  const pod = mesh.network.pod('g', gatewayIp, { enrolled: false });
  const certificate = await mesh.control.ca.issue('spiffe://cluster.local/ns/istio-system/sa/gateway');
  const authorities: string[] = [];
  const tunnels = createHboneServer({
    tls: createTlsContext(certificate),
    verifyPeer: createPeerVerifier({ roots: certificate.rootsPem, peerRole: 'client' }),
    log: silentLogger,
    onTunnel(request) {
      authorities.push(request.authority);
      void connect(domainOf(pod), { host: mesh.pods.far.ip, port: 15_008 }).then((inner) =>
        relay(request.accept(), inner),
      );
    },
  });
  const listener = await listen(bindListener(domainOf(pod), { port: 15_008 }), {
    onConnection: (endpoint) => tunnels.accept(endpoint),
  });
  return {
    authorities,
    [Symbol.dispose]() {
      listener.close();
      tunnels.destroy(new Error('the test ended'));
    },
  };
}

async function pairing(t: TestContext, clientMake: Make, serverMake: Make): Promise<void> {
  const mesh = await startPair(t, clientMake, serverMake);
  const { pods, clients, servers, control, seen } = mesh;
  const one = await clients.generation();
  const two = await servers.generation();
  await Promise.all([clients.agent.snapshotTaken(), servers.agent.snapshotTaken()]);
  assert.deepEqual([...clients.agent.acks, ...servers.agent.acks], ['', '', '', '', '', '']);

  await t.test('bytes arrive in both directions, and the application sees the client', async () => {
    const endpoint = await dial(pods.client, vip, 80);
    assert.equal(await echoed(endpoint, 'hello'), 'hello');
    assert.deepEqual(seen, [pods.client.ip]);
    endpoint.close();
    const bulk = Buffer.alloc(3 * 1024 * 1024, 'every byte ');
    assert.ok(bulk.equals(await exchanged(await dial(pods.client, vip, 80), bulk)));
  });

  await t.test('both ends name the same identities, service and byte counts', async () => {
    const texts = [`dst.hbone_addr=${pods.server.ip}:8080`, 'bytes_sent=5', 'bytes_recv=5'];
    const source = await one.line('connection complete', 'direction="outbound"', ...texts);
    const destination = await two.line('connection complete', 'direction="inbound"', ...texts);
    for (const line of [source, destination]) {
      assert.ok(line.includes(`src.identity="${spiffe('client')}"`), line);
      assert.ok(line.includes(`dst.identity="${spiffe('server')}"`), line);
      assert.ok(line.includes('dst.service="server.shop.svc.cluster.local"'), line);
      assert.ok(line.includes('src.workload="client" src.namespace="shop"'), line);
    }
  });

  await t.test('who a policy denies gets no byte through: 401, told on both sides', async () => {
    const before = seen.length;
    // The reset may come before the dialler has looked at its connection, or after.
    await assert.rejects(async () => echoed(await dial(pods.denied, vip, 80), 'let me in'));
    await one.line('http status: 401 Unauthorized', spiffe('denied'));
    await two.line('connection closed due to policy rejection: explicitly denied by: shop/not-denied');
    assert.equal(seen.length, before);
  });

  await t.test('a policy that arrives ends the connection it denies, and its removal allows again', async () => {
    const endpoint = await dial(pods.client, vip, 80);
    assert.equal(await echoed(endpoint, 'before'), 'before');
    const over = ended(endpoint);
    control.policy(denyPolicy('not-denied', 'client'));
    await over;
    await two.line('connection closed due to policy change');
    control.policy(denyPolicy('not-denied', 'denied'));
    await eventually(async () => {
      const again = await dial(pods.client, vip, 80);
      assert.equal(await echoed(again, 'again'), 'again');
      again.close();
    });
  });

  await t.test('an address that nobody listens on is 503, an unknown one is passed through', async () => {
    await assert.rejects(async () => echoed(await dial(pods.client, pods.server.ip, 9), 'x'));
    await one.line('http status: 503 Service Unavailable');
    const plain = mesh.network.pod('p', '10.201.0.7', { enrolled: false });
    const listener = await listen(bindListener(domainOf(plain), { port: 8081 }), { onConnection: echoBack });
    const through = await dial(pods.client, plain.ip, 8081);
    assert.equal(await echoed(through, 'plain'), 'plain');
    through.close();
    listener.close();
  });

  await t.test('another network is reached in a tunnel inside a tunnel', async () => {
    using gateway = await startGateway(mesh);
    const endpoint = await dial(pods.client, farVip, 80);
    assert.equal(await echoed(endpoint, 'far away'), 'far away');
    endpoint.close();
    assert.deepEqual(gateway.authorities, ['far.shop.svc.cluster.local:80']);
    const line = await one.line('connection complete', 'direction="outbound"', `dst.addr=${gatewayIp}:15008`);
    assert.ok(line.includes(`dst.identity="${spiffe('far')}"`), line);
    assert.ok(line.includes('dst.workload="far"'), line);
    await two.line('connection complete', 'direction="inbound"', spiffe('client'), 'dst.hbone_addr=far.shop');
  });

  await t.test(
    'a new generation takes over while an old connection lives on, and the old one ends with status 0',
    async () => {
      const long = await dial(pods.client, vip, 80);
      assert.equal(await echoed(long, 'before'), 'before');
      const three = await servers.generation();
      await servers.agent.snapshotTaken(2);
      await three.line('snapshot');
      two.child.kill('SIGTERM');
      await eventually(async () => {
        const fresh = await dial(pods.client, vip, 80);
        assert.equal(await echoed(fresh, 'new'), 'new');
        fresh.close();
      });
      assert.equal(await echoed(long, 'during'), 'during');
      long.close();
      assert.equal(await two.exited, 0);
      const after = await dial(pods.client, vip, 80);
      assert.equal(await echoed(after, 'after'), 'after');
      after.close();
    },
  );
}

/** The client's node asks for what its connections need, and for nothing else. */
async function onDemand(t: TestContext, clientMake: Make, serverMake: Make): Promise<void> {
  const { pods, clients, servers, control } = await startPair(t, clientMake, serverMake);
  for (let index = 0; index < 100; index += 1) {
    control.workload({ uid: `Kubernetes//Pod/other/w${index}`, name: `w${index}`, namespace: 'other', node: 'node-z' });
  }
  const one = await clients.generation({ XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'false' });
  const two = await servers.generation();
  await Promise.all([clients.agent.snapshotTaken(), servers.agent.snapshotTaken()]);
  for (const text of ['asked for', 'known by now']) {
    const endpoint = await dial(pods.client, pods.server.ip, 8080);
    assert.equal(await echoed(endpoint, text), text);
    endpoint.close();
  }
  await one.line('connection complete', 'direction="outbound"', `dst.identity="${spiffe('server')}"`);
  await two.line('connection complete', 'direction="inbound"', `src.identity="${spiffe('client')}"`);
}

/** Tries again for at most 10 s. */
async function eventually(attempt: () => Promise<void>): Promise<void> {
  const limitMs = Date.now() + 10_000;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > limitMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const pairs: readonly (readonly [client: Make, server: Make])[] = [
  [ambit, ambit],
  ...peers.flatMap((peer) => [ambit, ...engines].flatMap((own) => [[own, peer] as const, [peer, own] as const])),
];
for (const [client, server] of pairs) {
  const place = `${client.name} at the client's node, ${server.name} at the server's`;
  test(place, { skip, timeout: 180_000 }, async (t) => pairing(t, client, server));
  // ztunnel waits for the name it asked for, and an address is answered by the name of what has it (spec 4.4).
  if (client.program !== undefined) continue;
  test(`on demand: ${place}`, { skip, timeout: 180_000 }, async (t) => onDemand(t, client, server));
}
