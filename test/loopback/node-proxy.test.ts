// A real node proxy per node on loopback addresses: local state file, in-process CA, the stream form of ZDS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { createHboneServer } from '@ambit/hbone';
import { createCertificateAuthority, createPeerVerifier, issueLocally, type SignerMaterial } from '@ambit/identity';
import { testRevocationList } from '@ambit/identity/testing';
import { bindListener, connect as connectEndpoint, createTlsContext, listen, relay } from '@ambit/net';
import { silentLogger } from '@ambit/runtime/log';
import { Action, AuthorizationSchema, Scope } from '@ambit/proto/authorization';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/proto/type-urls';
import { AddressSchema, TunnelProtocol } from '@ambit/proto/workload';
import { createResourceTable } from '@ambit/xds/server';
import { startTestXdsServer } from '@ambit/xds/testing';
import {
  listenerKeeper,
  startNodeProxy,
  streamAgent,
  type AgentPod,
  type NodeProxyProcess,
} from '../fixtures/node-proxy.ts';
import { closed, echoed, viaSocks } from '../fixtures/socks-client.ts';

const client = '127.71.1.1';
const other = '127.71.1.2';
const server = '127.71.2.1';
const vip = '10.96.71.1';

const state = `
workloads:
- { uid: c, name: client, namespace: shop, serviceAccount: client, workloadIps: ["${client}"], protocol: HBONE, node: n1, workloadName: client, canonicalName: client, services: {} }
- { uid: o, name: other, namespace: shop, serviceAccount: other, workloadIps: ["${other}"], protocol: HBONE, node: n1, services: {} }
- uid: s
  name: server
  namespace: shop
  serviceAccount: server
  workloadIps: ["${server}"]
  protocol: HBONE
  node: n2
  workloadName: server
  canonicalName: server
  services: { "shop/server.shop.svc.cluster.local": { 80: 8080 } }
  authorizationPolicies: ["shop/not-other"]
services:
- { name: server, namespace: shop, hostname: server.shop.svc.cluster.local, vips: ["/${vip}"], ports: { 80: 8080 } }
policies:
- { name: not-other, namespace: shop, scope: WorkloadSelector, action: Deny, dryRun: false, rules: [[[{ principals: [!Exact cluster.local/ns/shop/sa/other] }]]] }
`;

const pod = (uid: string, name: string): AgentPod => ({ uid, name, namespace: 'shop', serviceAccount: name });

interface Mesh extends AsyncDisposable {
  readonly one: NodeProxyProcess;
  readonly two: NodeProxyProcess;
  /** Peer addresses that the echo server saw. */
  readonly seen: string[];
}

/** Two nodes: the clients on the first, an echo server behind the second. */
async function startMesh(environment: Readonly<Record<string, string>> = {}): Promise<Mesh> {
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-'));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const seen: string[] = [];
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    seen.push(socket.remoteAddress ?? '');
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await listening(echo.listen(8080, server));
  stack.defer(() => {
    echo.close();
  });
  const node = async (name: string, address: string, pods: readonly AgentPod[]): Promise<NodeProxyProcess> => {
    const uds = join(scratch, `${name}.sock`);
    stack.use(await streamAgent(uds, pods));
    const proxy = startNodeProxy(
      {
        NODE_NAME: name,
        XDS_ADDRESS: '',
        FAKE_CA: 'true',
        AMBIT_FAKE_CA_DIR: join(scratch, 'ca'),
        LOCAL_XDS: state,
        INPOD_UDS: uds,
        AMBIT_ZDS_TRANSPORT: 'stream',
        AMBIT_LOOPBACK_ADDRESS: address,
        TERMINATION_GRACE_PERIOD_SECONDS: '30',
        RUST_LOG: 'info',
        ...environment,
      },
      { address },
    );
    stack.use(proxy);
    return proxy;
  };
  try {
    const one = await node('n1', '127.71.0.1', [pod('u-c', 'client'), pod('u-o', 'other')]);
    const two = await node('n2', '127.71.0.2', [pod('u-s', 'server')]);
    await Promise.all([one.ready(), two.ready()]);
    await Promise.all([
      one.line('loopback pod is served', client),
      one.line('loopback pod is served', other),
      two.line('loopback pod is served', server),
    ]);
    return { one, two, seen, [Symbol.asyncDispose]: async () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function listening(listener: Server): Promise<void> {
  await once(listener, 'listening');
}

test('HBONE carries a connection between two nodes, keeps the client address, and both sides account for it', async () => {
  await using mesh = await startMesh();
  const socket = await viaSocks(client, vip, 80);
  assert.equal(await echoed(socket, 'hello mesh'), 'hello mesh');
  assert.deepEqual(mesh.seen, [client]);
  const dump = JSON.parse((await mesh.two.get(15000, '/config_dump')).body);
  assert.equal(dump.workloadState['u-s'].connections.inbound[0].protocol, 'HBONE');
  assert.equal(dump.certificates[0].state, 'Available');
  socket.end();
  await closed(socket);

  const source = await mesh.one.line('connection complete', `dst.addr=${server}:15008`, 'direction="outbound"');
  assert.match(source, /src\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client"/);
  assert.match(source, /dst\.hbone_addr=127\.71\.2\.1:8080 dst\.service="server\.shop\.svc\.cluster\.local"/);
  assert.match(source, /bytes_sent=10 bytes_recv=10 duration="\d+ms"$/);
  const destination = await mesh.two.line('connection complete', `src.addr=${client}:`, 'direction="inbound"');
  assert.match(destination, /dst\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/server"/);

  const byName = await viaSocks(client, 'server', 80);
  assert.equal(await echoed(byName, 'by name'), 'by name');
  byName.destroy();
  await new Promise((resolve) => setTimeout(resolve, 1200)); // the threads report once per second
  const { body } = await mesh.two.get(15020, '/metrics');
  const received = body
    .split('\n')
    .find((text) => text.startsWith('istio_tcp_received_bytes_total') && text.includes('"mutual_tls"'));
  assert.match(received ?? '', /reporter="destination",source_workload="client"/);
  assert.match(received ?? '', / 17$/);
});

test('a denied client loses its connection, and one line names policy, source and destination', async () => {
  await using mesh = await startMesh();
  // The reset may overtake the success reply of the handshake.
  await assert.rejects(viaSocks(other, vip, 80).then(async (socket) => echoed(socket, 'let me in')));
  const line = await mesh.two.line('deny policy match', 'policy="shop/not-other"');
  assert.match(line, /src\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/other" dst\.addr=127\.71\.2\.1:8080/);
  await mesh.two.line('connection complete', 'explicitly denied by: shop/not-other');
  await mesh.one.line('connection complete', 'http status: 401 Unauthorized');
  assert.deepEqual(mesh.seen, []);
});

const gatewayIp = '127.71.3.1';
const farVip = '10.96.71.9';
const farState = `
workloads:
- { uid: c, name: client, namespace: shop, serviceAccount: client, workloadIps: ["${client}"], protocol: HBONE, node: n1, services: {} }
- { uid: o, name: other, namespace: shop, serviceAccount: other, workloadIps: ["${other}"], protocol: HBONE, node: n1, services: {} }
- { uid: g, name: gateway, namespace: istio-system, serviceAccount: gateway, network: west, workloadIps: ["${gatewayIp}"], protocol: HBONE, node: n9, workloadName: gateway, services: {} }
- uid: s
  name: server
  namespace: shop
  serviceAccount: server
  network: west
  networkGateway: { destination: "west/${gatewayIp}", hboneMtlsPort: 15008 }
  workloadIps: ["${server}"]
  protocol: HBONE
  node: n2
  workloadName: far-server
  canonicalName: far-server
  services: { "shop/far.shop.svc.cluster.local": { 80: 8080 } }
services:
- { name: far, namespace: shop, hostname: far.shop.svc.cluster.local, vips: ["/${farVip}"], ports: { 80: 8080 }, subjectAltNames: ["spiffe://cluster.local/ns/shop/sa/server"] }
`;

/** A network gateway: ends the outer tunnel and passes the bytes inside on to the server's port, unread. */
async function startGateway(caDir: string): Promise<Disposable & { readonly authorities: string[] }> {
  const material = JSON.parse(readFileSync(join(caDir, 'fake-ca.json'), 'utf8')) as SignerMaterial;
  const certificate = await issueLocally(createCertificateAuthority({ material }), [
    'spiffe://cluster.local/ns/istio-system/sa/gateway',
  ]);
  const authorities: string[] = [];
  const tunnels = createHboneServer({
    tls: createTlsContext(certificate),
    verifyPeer: createPeerVerifier({ roots: certificate.rootsPem, peerRole: 'client' }),
    log: silentLogger,
    onTunnel(request) {
      authorities.push(request.authority);
      void connectEndpoint({ kind: 'host' }, { host: server, port: 15008 }).then((inner) =>
        relay(request.accept(), inner),
      );
    },
  });
  const domain = { kind: 'loopback', address: gatewayIp } as const;
  const listener = await listen(bindListener(domain, { port: 15008 }), {
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

test('a service of another network is reached through its gateway, in a tunnel that ends at the workload', async () => {
  const caDir = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-ca-'));
  using _caDir = { [Symbol.dispose]: () => rmSync(caDir, { recursive: true, force: true }) };
  await using mesh = await startMesh({ LOCAL_XDS: farState, AMBIT_FAKE_CA_DIR: caDir });
  using gateway = await startGateway(caDir);
  const sockets = await Promise.all([viaSocks(client, farVip, 80), viaSocks(client, farVip, 80)]);
  for (const socket of sockets) assert.equal(await echoed(socket, 'far away'), 'far away');
  for (const socket of sockets) socket.destroy();
  assert.deepEqual(gateway.authorities, ['far.shop.svc.cluster.local:80', 'far.shop.svc.cluster.local:80']);
  const line = await mesh.one.line('connection complete', 'direction="outbound"');
  assert.match(line, new RegExp(`dst\\.addr=${gatewayIp}:15008 dst\\.hbone_addr=far\\.shop`));
  assert.match(line, /dst\.workload="far-server" .*dst\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/server"/);
  await mesh.two.line('connection complete', 'direction="inbound"', 'sa/client', 'dst.hbone_addr=far.shop');
});

test('under the post-quantum policy two proxies still understand each other', async () => {
  await using mesh = await startMesh({ COMPLIANCE_POLICY: 'pqc', TLS12_ENABLED: 'true' });
  const socket = await viaSocks(client, vip, 80);
  assert.equal(await echoed(socket, 'hybrid'), 'hybrid');
  socket.destroy();
  await mesh.two.line('connection complete', 'direction="inbound"');
});

test('a drain lets live connections finish, refuses new ones, and a second signal ends at once', async () => {
  await using mesh = await startMesh();
  const socket = await viaSocks(client, vip, 80);
  assert.equal(await echoed(socket, 'before'), 'before');
  mesh.one.child.kill('SIGTERM');
  mesh.two.child.kill('SIGTERM');
  await mesh.two.line('shutdown started');
  await mesh.one.line('shutdown started');
  await assert.rejects(viaSocks(client, vip, 80));
  assert.equal(await echoed(socket, 'during'), 'during');
  mesh.one.child.kill('SIGTERM');
  assert.equal(await mesh.one.exited, 0);
  await closed(socket);
  assert.equal(await mesh.two.exited, 0);
  await mesh.two.line('data threads drained', 'outcome="drained"');
});

test('what is still open at the drain deadline is cut, counted and named in the log', async () => {
  await using mesh = await startMesh({ CONNECTION_TERMINATION_DEADLINE: '300ms' });
  const socket = await viaSocks(client, vip, 80);
  assert.equal(await echoed(socket, 'before'), 'before');
  mesh.two.child.kill('SIGTERM');
  assert.equal(await mesh.two.exited, 0);
  await mesh.two.line('connection complete', 'error="connection closed due to connection drain"');
  await mesh.two.line('connections were cut at the drain deadline', 'count=1');
  await closed(socket);
});

test('a certificate that is revoked ends its tunnels on both sides within seconds, and gets no new one', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-crl-'));
  using _scratch = { [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }) };
  const CRL_PATH = join(scratch, 'ca.crl');
  await using mesh = await startMesh({ CRL_PATH, AMBIT_FAKE_CA_DIR: scratch });
  await mesh.two.line('revocation lists cannot be read yet');
  const socket = await viaSocks(client, vip, 80);
  assert.equal(await echoed(socket, 'before'), 'before');
  const dump = JSON.parse((await mesh.one.get(15000, '/config_dump')).body) as {
    certificates: { identity: string; certChain: { serialNumber: string }[] }[];
  };
  const certificate = dump.certificates.find(({ identity }) => identity.endsWith('/sa/client'));
  const serial = BigInt(certificate?.certChain[0]?.serialNumber ?? 0).toString(16);
  const root = JSON.parse(readFileSync(join(scratch, 'fake-ca.json'), 'utf8')) as Parameters<
    typeof testRevocationList
  >[0];
  writeFileSync(CRL_PATH, testRevocationList(root, [serial.padStart(serial.length + (serial.length % 2), '0')]));
  await closed(socket);
  const text = 'error="connection closed: peer certificate revoked by CRL"';
  await mesh.two.line('connection complete', 'direction="inbound"', text);
  await assert.rejects(viaSocks(client, vip, 80).then(async (refused) => echoed(refused, 'after')));
  await mesh.two.line('connection failed', 'revoked');
  await new Promise((resolve) => setTimeout(resolve, 1200)); // the threads report once per second
  const { body } = await mesh.two.get(15020, '/metrics');
  assert.match(body, /^istio_crl_policy_rejections_total\{reporter="destination"\} 2$/m);
  assert.match(body, /^istio_tcp_connections_failed_total\{.*response_flags="CERT_REVOKED"/m);
});

test('configured over xDS: pods start when they become known, a new policy closes what it denies, a removed one allows again', async () => {
  await using stack = new AsyncDisposableStack();
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const addresses = createResourceTable(ADDRESS_TYPE_URL);
  const policies = createResourceTable(AUTHORIZATION_TYPE_URL);
  const control = stack.use(await startTestXdsServer([addresses, policies]));
  const uds = join(scratch, 'zds.sock');
  const [from, to] = ['127.73.1.1', '127.73.1.2'];
  stack.use(await streamAgent(uds, [pod('u-c', 'client'), pod('u-s', 'server')]));
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await listening(echo.listen(8080, to));
  stack.defer(() => {
    echo.close();
  });
  const proxy = stack.use(
    startNodeProxy(
      {
        NODE_NAME: 'n1',
        XDS_ADDRESS: `http://${control.address}`,
        FAKE_CA: 'true',
        INPOD_UDS: uds,
        AMBIT_ZDS_TRANSPORT: 'stream',
        AMBIT_LOOPBACK_ADDRESS: '127.73.0.1',
      },
      { address: '127.73.0.1' },
    ),
  );
  await proxy.line('snapshot complete', 'pods=2');
  const publish = (name: string, ip: string): void => {
    const workload = {
      uid: `//v1/Pod/shop/${name}`,
      name,
      namespace: 'shop',
      serviceAccount: name,
      addresses: [Buffer.from(ip.split('.').map(Number))],
      tunnelProtocol: TunnelProtocol.HBONE,
      node: 'n1',
    };
    const message = create(AddressSchema, { type: { case: 'workload', value: workload } });
    addresses.set({ name: workload.uid, bytes: toBinary(AddressSchema, message) });
  };
  publish('client', from);
  publish('server', to);
  await proxy.line('loopback pod is served', from);
  await proxy.line('loopback pod is served', to);
  const socket = await viaSocks(from, to, 8080);
  assert.equal(await echoed(socket, 'allowed'), 'allowed');

  const deny = create(AuthorizationSchema, {
    name: 'no-client',
    namespace: 'shop',
    scope: Scope.NAMESPACE,
    action: Action.DENY,
    groups: [{ rules: [{ matches: [{ principals: [{ matchType: { case: 'suffix', value: '/sa/client' } }] }] }] }],
  });
  policies.set({ name: 'shop/no-client', bytes: toBinary(AuthorizationSchema, deny) });
  await closed(socket);
  await proxy.line('connection complete', 'direction="inbound"', 'error="connection closed due to policy change"');
  await assert.rejects(viaSocks(from, to, 8080).then(async (refused) => echoed(refused, 'denied')));
  await proxy.line('deny policy match', 'policy="shop/no-client"');

  policies.delete('shop/no-client');
  const policiesHeld = async (): Promise<number> =>
    JSON.parse((await proxy.get(15000, '/config_dump')).body).policies.length;
  while ((await policiesHeld()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await control.stop();
  await proxy.line('XDS client');
  const again = await viaSocks(from, to, 8080);
  assert.equal(await echoed(again, 'state is kept'), 'state is kept');
  again.destroy();
});

test('a proxy with a state cache serves after a restart while the control plane is away, with the policies it knew', async () => {
  await using stack = new AsyncDisposableStack();
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const addresses = createResourceTable(ADDRESS_TYPE_URL);
  const policies = createResourceTable(AUTHORIZATION_TYPE_URL);
  const control = stack.use(await startTestXdsServer([addresses, policies]));
  const ips = { client: '127.73.3.1', other: '127.73.3.2', server: '127.73.3.3' };
  for (const [name, ip] of Object.entries(ips)) {
    const workload = {
      uid: `//v1/Pod/shop/${name}`,
      name,
      namespace: 'shop',
      serviceAccount: name,
      addresses: [Buffer.from(ip.split('.').map(Number))],
      tunnelProtocol: TunnelProtocol.HBONE,
      node: 'n1',
    };
    const message = create(AddressSchema, { type: { case: 'workload', value: workload } });
    addresses.set({ name: workload.uid, bytes: toBinary(AddressSchema, message) });
  }
  const deny = create(AuthorizationSchema, {
    name: 'no-other',
    namespace: 'shop',
    scope: Scope.NAMESPACE,
    action: Action.DENY,
    groups: [{ rules: [{ matches: [{ principals: [{ matchType: { case: 'suffix', value: '/sa/other' } }] }] }] }],
  });
  policies.set({ name: 'shop/no-other', bytes: toBinary(AuthorizationSchema, deny) });
  const uds = join(scratch, 'zds.sock');
  stack.use(await streamAgent(uds, [pod('u-c', 'client'), pod('u-o', 'other'), pod('u-s', 'server')]));
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await listening(echo.listen(8080, ips.server));
  stack.defer(() => {
    echo.close();
  });
  const start = (): NodeProxyProcess =>
    stack.use(
      startNodeProxy(
        {
          NODE_NAME: 'n1',
          XDS_ADDRESS: `http://${control.address}`,
          AMBIT_STATE_CACHE: join(scratch, 'cache', 'state'),
          FAKE_CA: 'true',
          INPOD_UDS: uds,
          AMBIT_ZDS_TRANSPORT: 'stream',
          AMBIT_LOOPBACK_ADDRESS: '127.73.0.3',
        },
        { address: '127.73.0.3' },
      ),
    );
  const first = start();
  await first.line('loopback pod is served', ips.server);
  first.child.kill('SIGTERM');
  assert.equal(await first.exited, 0);
  await control.stop();

  const second = start();
  await second.line('serving the cached state until the control plane answers', 'workloads=3');
  await Promise.all(Object.values(ips).map(async (ip) => second.line('loopback pod is served', ip)));
  const socket = await viaSocks(ips.client, ips.server, 8080);
  assert.equal(await echoed(socket, 'from the cache'), 'from the cache');
  socket.destroy();
  await assert.rejects(viaSocks(ips.other, ips.server, 8080).then(async (refused) => echoed(refused, 'denied')));
  await second.line('deny policy match', 'policy="shop/no-other"');
});

test('on demand only what connections need is fetched: the own pod, then each destination once', async () => {
  await using stack = new AsyncDisposableStack();
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const addresses = createResourceTable(ADDRESS_TYPE_URL);
  const control = stack.use(await startTestXdsServer([addresses, createResourceTable(AUTHORIZATION_TYPE_URL)]));
  const ips = { client: '127.73.2.1', plain: '127.73.2.2', unused: '127.73.2.3' };
  for (const [name, ip] of Object.entries(ips)) {
    const workload = {
      uid: `Kubernetes//Pod/shop/${name}`,
      name,
      namespace: 'shop',
      serviceAccount: name,
      addresses: [Buffer.from(ip.split('.').map(Number))],
      tunnelProtocol: name === 'client' ? TunnelProtocol.HBONE : TunnelProtocol.NONE,
      node: 'n1',
    };
    const message = create(AddressSchema, { type: { case: 'workload', value: workload } });
    addresses.set({ name: workload.uid, bytes: toBinary(AddressSchema, message), aliases: [`/${ip}`] });
  }
  const uds = join(scratch, 'zds.sock');
  stack.use(await streamAgent(uds, [pod('u-c', 'client')]));
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await listening(echo.listen(8080, ips.plain));
  stack.defer(() => {
    echo.close();
  });
  const proxy = stack.use(
    startNodeProxy(
      {
        NODE_NAME: 'n1',
        XDS_ADDRESS: `http://${control.address}`,
        XDS_ON_DEMAND: 'true',
        ISTIO_META_DNS_CAPTURE: 'false',
        FAKE_CA: 'true',
        INPOD_UDS: uds,
        AMBIT_ZDS_TRANSPORT: 'stream',
        AMBIT_LOOPBACK_ADDRESS: '127.73.0.2',
      },
      { address: '127.73.0.2' },
    ),
  );
  await proxy.line('loopback pod is served', ips.client);
  const known = async (): Promise<string[]> =>
    (JSON.parse((await proxy.get(15000, '/config_dump')).body) as { workloads: { name: string }[] }).workloads.map(
      ({ name }) => name,
    );
  assert.deepEqual(await known(), ['client']);
  for (const text of ['first', 'second']) {
    const socket = await viaSocks(ips.client, ips.plain, 8080);
    assert.equal(await echoed(socket, text), text);
    socket.destroy();
  }
  await proxy.line('connection complete', 'dst.workload="plain"');
  assert.deepEqual(await known(), ['client', 'plain']);
});

test('in a rollout the sockets kept by the node go to the new generation: no connect fails, a long connection lives on', async () => {
  await using stack = new AsyncDisposableStack();
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-node-proxy-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const keeper = stack.use(listenerKeeper());
  const uds = join(scratch, 'zds.sock');
  stack.use(await streamAgent(uds, [pod('u-c', 'client'), pod('u-s', 'server')]));
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await listening(echo.listen(8080, server));
  stack.defer(() => {
    echo.close();
  });
  const generation = async (address: string): Promise<NodeProxyProcess> => {
    const proxy = stack.use(
      startNodeProxy(
        {
          XDS_ADDRESS: '',
          FAKE_CA: 'true',
          AMBIT_FAKE_CA_DIR: join(scratch, 'ca'),
          LOCAL_XDS: state,
          INPOD_UDS: uds,
          AMBIT_ZDS_TRANSPORT: 'stream',
          AMBIT_LOOPBACK_ADDRESS: address,
          ZTUNNEL_WORKER_THREADS: '2',
          CONNECTION_TERMINATION_DEADLINE: '10s',
        },
        { address, ipc: true },
      ),
    );
    keeper.attach(proxy.child);
    await proxy.line('loopback pod is served', client);
    await proxy.line('loopback pod is served', server);
    return proxy;
  };
  const first = await generation('127.71.0.3');
  const long = await viaSocks(client, vip, 80);
  assert.equal(await echoed(long, 'before'), 'before');

  const failures: string[] = [];
  let rounds = 0;
  let running = true;
  const loop = async (): Promise<void> => {
    while (running) {
      try {
        const socket = await viaSocks(client, vip, 80);
        assert.equal(await echoed(socket, 'ping'), 'ping');
        socket.destroy();
        rounds += 1;
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const loops = [loop(), loop()];
  await generation('127.71.0.4');
  first.child.kill('SIGTERM');
  await first.line('shutdown started');
  const reached = rounds + 30;
  while (rounds < reached && failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await echoed(long, 'during'), 'during');
  running = false;
  await Promise.all(loops);
  assert.deepEqual(failures, []);
  long.destroy();
  assert.equal(await first.exited, 0);
  await first.line('data threads drained', 'outcome="drained"');
});
