// A real node proxy serving two pods in network namespaces: redirection, HBONE, policies, and a rollout. Root only.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bindListener, bindUdp, connect, type Endpoint, EOF, listen, type SocketDomain } from '@ambit/net';
import { echoBack, echoed } from '../fixtures/endpoints.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { packetAgent, type PacketAgent } from '../fixtures/packet-agent.ts';
import { captureWire } from '../fixtures/wire.ts';
import { createPodNetwork, type PodNamespace, type PodNetwork } from '../fixtures/pod-network.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const clientIp = '10.201.0.1';
const serverIp = '10.201.0.2';
const plainIp = '10.201.0.3';
const deniedIp = '10.201.0.4';

const state = `
workloads:
- { uid: c, name: client, namespace: shop, serviceAccount: client, workloadIps: ["${clientIp}", "fd00:201::1"], protocol: HBONE, node: n1, services: {} }
- { uid: d, name: denied, namespace: shop, serviceAccount: denied, workloadIps: ["${deniedIp}", "fd00:201::4"], protocol: HBONE, node: n1, services: {} }
- { uid: s, name: server, namespace: shop, serviceAccount: server, workloadIps: ["${serverIp}", "fd00:201::2"], protocol: HBONE, node: n1, services: {}, authorizationPolicies: ["istio-system/strict", "shop/not-denied"] }
services:
- { name: web, namespace: shop, hostname: web.shop.svc.cluster.local, vips: ["/10.96.0.9"], ports: { 80: 8080 } }
policies:
- { name: strict, namespace: istio-system, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ notPrincipals: [!Presence []] }]]] }
- { name: not-denied, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ principals: [!Exact cluster.local/ns/shop/sa/denied] }]]] }
`;

interface Node extends AsyncDisposable {
  readonly client: PodNamespace;
  readonly server: PodNamespace;
  readonly denied: PodNamespace;
  readonly plain: PodNamespace;
  readonly agent: PacketAgent;
  /** The namespace whose wire carries what pods send to each other. */
  readonly bridge: number;
  /** Client addresses that the application saw. */
  readonly seen: string[];
  /** Starts one more generation of the node proxy; its admin ports are on 127.72.0.<generation>. */
  generation(number: number): NodeProxyProcess;
}

const domainOf = (pod: PodNamespace): SocketDomain => ({ kind: 'netns', fd: pod.netns.fd });

async function startNode(): Promise<Node> {
  const stack = new AsyncDisposableStack();
  try {
    const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-'));
    stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
    const network: PodNetwork = stack.use(createPodNetwork());
    const client = network.pod('c', clientIp, { enrolled: true });
    const server = network.pod('s', serverIp, { enrolled: true });
    const denied = network.pod('d', deniedIp, { enrolled: true });
    const plain = network.pod('x', plainIp, { enrolled: false });
    const seen: string[] = [];
    const echo = await listen(bindListener(domainOf(server), { port: 8080 }), {
      onConnection(endpoint) {
        seen.push(endpoint.remote?.ip ?? '');
        echoBack(endpoint);
      },
    });
    stack.defer(() => echo.close());
    const uds = join(scratch, 'zds.sock');
    const pod = (uid: string, name: string, namespace: PodNamespace) => ({
      uid,
      name,
      namespace: 'shop',
      serviceAccount: name,
      netns: namespace.netns.fd,
    });
    const agent = stack.use(
      packetAgent(uds, [pod('u-c', 'client', client), pod('u-s', 'server', server), pod('u-d', 'denied', denied)]),
    );
    const generation = (number: number): NodeProxyProcess =>
      stack.use(
        startNodeProxy(
          {
            NODE_NAME: 'n1',
            XDS_ADDRESS: '',
            FAKE_CA: 'true',
            AMBIT_FAKE_CA_DIR: join(scratch, 'ca'),
            LOCAL_XDS: state,
            INPOD_UDS: uds,
            AMBIT_LOOPBACK_ADDRESS: `127.72.0.${number}`,
            ZTUNNEL_WORKER_THREADS: '2',
            CONNECTION_TERMINATION_DEADLINE: '10s',
          },
          { address: `127.72.0.${number}` },
        ),
      );
    return {
      client,
      server,
      denied,
      plain,
      agent,
      bridge: network.bridge.fd,
      seen,
      generation,
      [Symbol.asyncDispose]: async () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

const dial = async (from: PodNamespace, host = serverIp): Promise<Endpoint> =>
  connect(domainOf(from), { host, port: 8080, timeoutMs: 5000 });

/** The reset may come before the dialler has looked at its connection, or after. */
const refused = async (from: PodNamespace, text: string, host = serverIp): Promise<void> =>
  assert.rejects(dial(from, host).then(async (endpoint) => echoed(endpoint, text)));

test(
  'two enrolled pods talk over HBONE, the application sees the client, and only TLS crosses the wire',
  { skip },
  async () => {
    await using node = await startNode();
    const proxy = node.generation(1);
    await proxy.line('snapshot complete');
    const endpoint = await dial(node.client);
    assert.equal(await echoed(endpoint, 'secret-on-the-wire'), 'secret-on-the-wire');
    assert.deepEqual(node.seen, [clientIp]);
    endpoint.close();
    const line = await proxy.line('connection complete', 'direction="inbound"');
    assert.match(
      line,
      new RegExp(`src.addr=${clientIp}:\\d+ .*dst.addr=${serverIp}:15008 dst.hbone_addr=${serverIp}:8080`),
    );
    assert.deepEqual(node.agent.acks, ['', '', '', '']);
  },
);

test(
  'pods with addresses of both families talk over the one that was asked for, policies and source address included',
  { skip },
  async () => {
    await using node = await startNode();
    const proxy = node.generation(1);
    await proxy.line('snapshot complete');
    for (const to of [node.server.ip6, node.server.ip]) {
      const endpoint = await dial(node.client, to);
      assert.equal(await echoed(endpoint, 'either way'), 'either way');
      endpoint.close();
    }
    assert.deepEqual(node.seen, [node.client.ip6, node.client.ip]);
    const texts = [`dst.addr=[${node.server.ip6}]:15008`, `dst.hbone_addr=[${node.server.ip6}]:8080`];
    await proxy.line('connection complete', 'direction="outbound"', ...texts);
    await proxy.line('connection complete', 'direction="inbound"', `src.addr=[${node.client.ip6}]:`, ...texts);

    await refused(node.denied, 'not me', node.server.ip6);
    await proxy.line('deny policy match', 'policy="shop/not-denied"', `dst.addr=[${node.server.ip6}]:8080`);
    await refused(node.plain, 'plaintext', node.server.ip6);
    await proxy.line('deny policy match', 'policy="istio-system/strict"', `src.addr=${node.plain.ip6}`);
    const sources: string[] = [];
    const listener = await listen(bindListener(domainOf(node.client), { port: 8082 }), {
      onConnection(endpoint) {
        sources.push(endpoint.remote?.ip ?? '');
        echoBack(endpoint);
      },
    });
    const inward = await connect(domainOf(node.plain), { host: node.client.ip6, port: 8082 });
    assert.equal(await echoed(inward, 'plaintext over IPv6'), 'plaintext over IPv6');
    inward.close();
    listener.close();
    assert.deepEqual(sources, [node.plain.ip6]);
  },
);

test(
  'STRICT refuses plaintext and a DENY policy refuses an identity, both with a reset and a line that names the policy',
  { skip },
  async () => {
    await using node = await startNode();
    const proxy = node.generation(1);
    await proxy.line('snapshot complete');
    using wire = captureWire(node.bridge);
    await refused(node.plain, 'plaintext');
    assert.ok(wire.text().includes('plaintext'), 'the capture sees plaintext where there is some');
    const strict = await proxy.line('deny policy match', 'policy="istio-system/strict"');
    assert.match(strict, new RegExp(`src.addr=${plainIp} dst.addr=${serverIp}:8080`));
    await refused(node.denied, 'not me');
    await proxy.line('deny policy match', 'policy="shop/not-denied"', 'sa/denied');
    assert.deepEqual(node.seen, []);
  },
);

test(
  'a new generation takes over: nothing fails under a connect loop, and a long connection lives on in the old one',
  { skip },
  async () => {
    await using node = await startNode();
    const first = node.generation(1);
    await first.line('snapshot complete');
    const long = await dial(node.client);
    assert.equal(await echoed(long, 'before'), 'before');

    const failures: string[] = [];
    let rounds = 0;
    let running = true;
    const loop = async (): Promise<void> => {
      while (running) {
        try {
          const endpoint = await dial(node.client);
          assert.equal(await echoed(endpoint, 'ping'), 'ping');
          endpoint.close();
          rounds += 1;
        } catch (error) {
          failures.push(String(error));
        }
      }
    };
    const loops = [loop(), loop(), loop()];
    const second = node.generation(2);
    await second.line('snapshot complete');
    const before = rounds;
    first.child.kill('SIGTERM');
    await first.line('shutdown started');
    await waitFor(() => rounds > before + 30);
    assert.equal(await echoed(long, 'during'), 'during');
    running = false;
    await Promise.all(loops);
    assert.deepEqual(failures, []);
    long.close();
    assert.equal(await first.exited, 0);
    await first.line('data threads drained', 'outcome="drained"');
  },
);

test(
  'plaintext goes where the mesh ends: to a neighbour without a proxy, and from it to a pod that allows it',
  { skip },
  async () => {
    await using node = await startNode();
    const proxy = node.generation(1);
    await proxy.line('snapshot complete');
    const sources: string[] = [];
    await using stack = new AsyncDisposableStack();
    for (const [pod, port] of [
      [node.plain, 8081],
      [node.client, 8082],
    ] as const) {
      const listener = await listen(bindListener(domainOf(pod), { port }), {
        onConnection(endpoint) {
          sources.push(endpoint.remote?.ip ?? '');
          echoBack(endpoint);
        },
      });
      stack.defer(() => listener.close());
    }
    const out = await connect(domainOf(node.client), { host: plainIp, port: 8081 });
    assert.equal(await echoed(out, 'out'), 'out');
    out.close();
    const inward = await connect(domainOf(node.plain), { host: clientIp, port: 8082 });
    assert.equal(await echoed(inward, 'in'), 'in');
    inward.close();
    assert.deepEqual(sources, [clientIp, plainIp]);
    await proxy.line('connection complete', `dst.addr=${plainIp}:8081`, 'direction="outbound"');
    await proxy.line('connection complete', `src.addr=${plainIp}:`, `dst.addr=${clientIp}:8082`, 'direction="inbound"');
  },
);

test('a pod that leaves the mesh in a rollout ends its connections in the old generation too', { skip }, async () => {
  await using node = await startNode();
  const first = node.generation(1);
  await first.line('snapshot complete');
  const leaving = await dial(node.client);
  assert.equal(await echoed(leaving, 'before'), 'before');
  const second = node.generation(2);
  await second.line('snapshot complete');
  first.child.kill('SIGTERM');
  await first.line('shutdown started');
  assert.equal(await echoed(leaving, 'during'), 'during');
  const gone = Promise.withResolvers<void>();
  leaving.onClose = () => gone.resolve();
  leaving.onReadable = () => {
    if (leaving.read() === EOF) gone.resolve();
  };
  const startedMs = Date.now();
  await node.agent.remove('u-c');
  await gone.promise;
  await first.line('pod stopped', 'shop/client');
  await first.line('connection complete', 'direction="outbound"', 'connection closed: the workload left the mesh');
  assert.equal(await first.exited, 0);
  assert.ok(Date.now() - startedMs < 5000, 'nothing waited for the drain limit of 10 s');
  assert.equal(second.child.exitCode, null);
});

test('the DNS proxy answers for a service inside the pod', { skip }, async () => {
  await using node = await startNode();
  const proxy = node.generation(1);
  await proxy.line('snapshot complete');
  const name = Buffer.concat(['web', 'shop'].map((label) => Buffer.from([label.length, ...Buffer.from(label)])));
  const query = Buffer.concat([Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), name, Buffer.from([0, 0, 1, 0, 1])]);
  for (const [type, address] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const socket = createSocket(type);
    socket.bind({ fd: bindUdp(domainOf(node.client), { port: 0, address }) });
    socket.send(query, 15053, address);
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
    socket.close();
    assert.equal(reply.readUInt16BE(2), 0x8580);
    assert.deepEqual([...reply.subarray(-4)], [10, 96, 0, 9]);
  }
});

test(
  'a pod whose network is gone, or whose peers never finish a handshake, does not hold up another',
  { skip },
  async () => {
    await using node = await startNode();
    const proxy = node.generation(1);
    await proxy.line('snapshot complete');
    const silent: Endpoint[] = [];
    await using stack = new AsyncDisposableStack();
    stack.defer(() => silent.forEach((endpoint) => endpoint.destroy(new Error('the test ended'))));
    for (let count = 0; count < 100; count += 1) {
      silent.push(await connect(domainOf(node.plain), { host: deniedIp, port: 15_008 }));
    }
    const [stuck] = await Promise.allSettled([dial(node.denied)]);
    execFileSync('ip', ['-n', node.denied.namespace, 'link', 'del', 'eth0']);
    if (stuck.status === 'fulfilled') stuck.value.destroy(new Error('its network is gone'));
    const endpoint = await dial(node.client);
    assert.equal(await echoed(endpoint, 'not held up'), 'not held up');
    endpoint.close();
    assert.ok(
      !proxy.lines.some((line) => line.includes('tls handshake error')),
      'no handshake has come to its limit yet',
    );
    await node.agent.remove('u-d');
    await proxy.line('pod stopped', 'shop/denied');
  },
);

test('a pod whose namespace vanishes does not hurt another', { skip }, async () => {
  await using node = await startNode();
  const proxy = node.generation(1);
  await proxy.line('snapshot complete');
  await node.agent.remove('u-d');
  await proxy.line('pod stopped', 'shop/denied');
  const endpoint = await dial(node.client);
  assert.equal(await echoed(endpoint, 'still here'), 'still here');
  endpoint.close();
  await refused(node.denied, 'x');
});

test(
  'a thousand pods that come and go leave no descriptor, socket or memory behind',
  { skip, timeout: 60_000 },
  async () => {
    await using node = await startNode();
    const proxy = node.generation(1);
    await proxy.line('snapshot complete');
    const pod = {
      uid: 'u-x',
      name: 'passing',
      namespace: 'shop',
      serviceAccount: 'passing',
      netns: node.plain.netns.fd,
    };
    const cycles = async (count: number): Promise<void> => {
      for (let cycle = 0; cycle < count; cycle += 1) {
        assert.equal(await node.agent.add(pod), '');
        await node.agent.remove(pod.uid);
      }
    };
    const held = () => ({ descriptors: descriptorsOf(proxy.child.pid), residentKb: residentKbOf(proxy.child.pid) });
    await cycles(200);
    await new Promise((resolve) => setTimeout(resolve, 500)); // closes of the last pods
    const before = held();
    await cycles(800);
    await waitFor(() => held().descriptors <= before.descriptors);
    const after = held();
    // Three heaps grow to their pace of collection (flat after 2,500 cycles); a pod that stays would be more.
    assert.ok(after.residentKb - before.residentKb < 100_000, `memory grew: ${JSON.stringify({ before, after })}`);
    const endpoint = await dial(node.client);
    assert.equal(await echoed(endpoint, 'still served'), 'still served');
    endpoint.close();
  },
);

function descriptorsOf(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function residentKbOf(pid: number | undefined): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8')
    .split('\n')
    .find((text) => text.startsWith('VmRSS:'));
  return Number.parseInt(line?.slice(6) ?? '', 10);
}

async function waitFor(condition: () => boolean): Promise<void> {
  const limitMs = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > limitMs) throw new Error('the condition did not come true within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
