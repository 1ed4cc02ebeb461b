/** The waypoint as a real process: configured over xDS, certificate from a CA, tunnels in and out, drain on SIGTERM. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createHbonePool, createHboneServer } from '@ambit/hbone';
import { createPeerVerifier, type PeerIdentity } from '@ambit/identity';
import { testCa, type TestCa } from '@ambit/identity/testing';
import { connect, createTlsContext, listenIn, secureClient, toDuplex } from '@ambit/net';
import {
  BackendSchema,
  FrontendSchema,
  ListenerSchema,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
  SecretSchema,
} from '@ambit/proto/waypoint';
import { AddressSchema } from '@ambit/proto/workload';
import { silentLogger } from '@ambit/runtime/log';
import {
  startWaypointControlPlane,
  startWaypointProcess,
  type WaypointControlPlane,
  type WaypointProcess,
} from '../fixtures/waypoint.ts';

const HOSTNAME = 'reviews.apps.svc.cluster.local';
const KEY = `apps/${HOSTNAME}`;
const VIP = '10.96.0.50';

const contextOf = async (ca: TestCa, identity: string) => {
  const { certChainPem, privateKeyPem, rootsPem } = await ca.issue(identity);
  return createTlsContext({ certChainPem, privateKeyPem, rootsPem });
};

/** The workload 127.0.0.2 behind a tunnel server of its own. */
const startWorkload = async (ca: TestCa) => {
  const app = createServer((request, response) => {
    if (request.url === '/slow') setTimeout(() => response.end('slow but here'), 400);
    else response.end(`path ${request.url}`);
  });
  const server = createHboneServer<PeerIdentity>({
    tls: await contextOf(ca, ca.identity('apps', 'reviews')),
    verifyPeer: createPeerVerifier({
      roots: ca.rootPem,
      peerRole: 'client',
      expected: [ca.identity('apps', 'waypoint')],
    }),
    onTunnel: (request) => {
      if (request.authority === '127.0.0.2:8080') app.emit('connection', socketOf(toDuplex(request.accept())));
      else request.reject(503);
    },
    log: silentLogger,
  });
  const listener = await listenIn(
    { kind: 'host' },
    { port: 0, address: '127.0.0.2' },
    { onConnection: (endpoint) => server.accept(endpoint) },
  );
  const close = (): void => {
    listener.close();
    server.destroy(new Error('test ended'));
  };
  return { port: listener.address.port, [Symbol.dispose]: close };
};

/** Node's HTTP engines call these on their sockets. */
const socketOf = (duplex: import('node:stream').Duplex) =>
  Object.assign(duplex, {
    setTimeout: () => duplex,
    setNoDelay: () => duplex,
    setKeepAlive: () => duplex,
    ref: () => duplex,
    unref: () => duplex,
  });

const startClient = async (ca: TestCa, waypoint: WaypointProcess) => {
  const context = await contextOf(ca, ca.identity('clients', 'curl'));
  const expected = [ca.identity('apps', 'waypoint')];
  const pool = createHbonePool({
    log: silentLogger,
    dial: async () => {
      const socket = await connect({ kind: 'host' }, { host: '127.0.0.1', port: waypoint.ports.hbone });
      return secureClient(socket, context, {
        verifyPeer: createPeerVerifier({ roots: ca.rootPem, peerRole: 'server', expected }),
      });
    },
  });
  const get = async (path: string, method = 'GET'): Promise<{ status: number; body: string }> => {
    const key = { source: ca.identity('clients', 'curl'), destination: `127.0.0.1:${waypoint.ports.hbone}`, expected };
    const stream = await pool.open(key, { authority: `${VIP}:80`, headers: { forwarded: 'for="10.1.2.3:5555"' } });
    const socket = socketOf(toDuplex(stream));
    return new Promise((resolve, reject) => {
      const request = httpRequest({ path, method, headers: { host: 'reviews' }, createConnection: () => socket });
      request.on('error', reject);
      request.on('response', (response) => {
        let body = '';
        response.on('data', (piece: Buffer) => (body += piece.toString()));
        response.on('end', () => {
          socket.end();
          resolve({ status: response.statusCode ?? 0, body });
        });
      });
      request.end();
    });
  };
  return { get, [Symbol.dispose]: () => pool.destroy(new Error('test ended')) };
};

const configure = (controlPlane: WaypointControlPlane): void => {
  controlPlane.set(ProxyConfigSchema, 'self', { trustDomain: 'cluster.local' });
  controlPlane.set(ListenerSchema, 'apps/waypoint/mesh/15008', { port: 15_008 });
  controlPlane.set(FrontendSchema, KEY, {
    hostname: HOSTNAME,
    namespace: 'apps',
    ports: [{ port: 80, protocol: 1, routeTable: `${KEY}:80`, backend: `${KEY}/80` }],
    policies: [{ policy: 'p', failClosedIfMissing: true }],
  });
  controlPlane.set(PolicySchema, 'p', {
    meta: { namespace: 'apps', name: 'get-only' },
    body: {
      case: 'authz',
      value: { action: 0, rules: [{ to: [{ methods: [{ m: { case: 'exact', value: 'GET' } }] }] }] },
    },
  });
  controlPlane.set(BackendSchema, `${KEY}/80`, {
    hostname: HOSTNAME,
    port: 80,
    protocol: 1,
    serviceNamespace: 'apps',
    serviceName: 'reviews',
  });
  setRoute(controlPlane, '/');
  controlPlane.set(AddressSchema, KEY, {
    type: {
      case: 'service',
      value: {
        name: 'reviews',
        namespace: 'apps',
        hostname: HOSTNAME,
        addresses: [{ network: '', address: new Uint8Array([10, 96, 0, 50]) }],
        ports: [{ servicePort: 80, targetPort: 8080 }],
      },
    },
  });
  controlPlane.set(AddressSchema, 'c//Pod/apps/reviews-1', {
    type: {
      case: 'workload',
      value: {
        uid: 'c//Pod/apps/reviews-1',
        name: 'reviews-1',
        namespace: 'apps',
        addresses: [new Uint8Array([127, 0, 0, 2])],
        tunnelProtocol: 1,
        trustDomain: 'cluster.local',
        serviceAccount: 'reviews',
        workloadName: 'reviews',
        canonicalName: 'reviews',
        services: { [KEY]: { ports: [{ servicePort: 80, targetPort: 8080 }] } },
      },
    },
  });
};

const setRoute = (controlPlane: WaypointControlPlane, prefix: string): void =>
  controlPlane.set(RouteTableSchema, `${KEY}:80`, {
    gatewaySemantics: true,
    routes: [
      {
        name: 'r',
        matches: [{ path: { m: { case: 'prefix', value: prefix } }, segmentPrefix: true }],
        action: { case: 'forward', value: { targets: [{ backend: `${KEY}/80`, weight: 1 }] } },
      },
    ],
  });

const eventually = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
  const limitMs = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > limitMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

for (const threads of [1, 2]) {
  test(
    `a waypoint with ${threads} data thread(s) routes, denies, follows updates and drains`,
    { timeout: 60_000 },
    async () => {
      const ca = testCa();
      await using controlPlane = await startWaypointControlPlane(ca);
      configure(controlPlane);
      using workload = await startWorkload(ca);
      await using waypoint = await startWaypointProcess(controlPlane, ca, {
        AMBIT_UPSTREAM_HBONE_PORT: String(workload.port),
        ISTIO_CPU_LIMIT: String(threads),
      });
      await waypoint.ready();
      using client = await startClient(ca, waypoint);

      assert.deepEqual(await client.get('/hello'), { status: 200, body: 'path /hello' });
      assert.deepEqual(await client.get('/hello', 'POST'), { status: 403, body: 'RBAC: access denied' });
      await eventually(
        async () => waypoint.lines.some((line) => line.includes('"GET /hello HTTP/1.1" 200 - via_upstream')),
        'access log line',
      );

      setRoute(controlPlane, '/new');
      await eventually(async () => (await client.get('/hello')).status === 404, 'the new route');
      controlPlane.set(RouteTableSchema, `${KEY}:80`, {
        routes: [{ matches: [{ path: { m: { case: 'regex', value: '(' } } }] }],
      });
      assert.equal((await client.get('/new/x')).status, 200, 'the last good table stays');
      controlPlane.delete(PolicySchema, 'p');
      await eventually(async () => (await client.get('/new/x')).status === 403, 'a missing policy denies');
      controlPlane.set(PolicySchema, 'p', { body: { case: 'authz', value: { action: 1 } } });
      await eventually(async () => (await client.get('/new/x')).status === 200, 'the policy is back');
      setRoute(controlPlane, '/');

      const { body: metrics } = await waypoint.get(waypoint.ports.stats, '/stats/prometheus');
      assert.match(metrics, /istio_requests_total\{reporter="waypoint".*response_code="403"/);
      assert.match(metrics, /istio_build\{component="proxy"/);
      const dump = JSON.parse((await waypoint.get(waypoint.ports.admin, '/config_dump')).body) as Record<
        string,
        unknown
      >;
      assert.ok(dump['frontends']);
      assert.equal((await waypoint.get(waypoint.ports.admin, '/logging?level=debug', 'POST')).body, 'debug\n');

      await eventually(async () => (await client.get('/hello')).status === 200, 'the route of the start');
      const running = client.get('/slow');
      await new Promise((resolve) => setTimeout(resolve, 50));
      waypoint.child.kill('SIGTERM');
      assert.deepEqual(await running, { status: 200, body: 'slow but here' });
      assert.equal(await waypoint.exited, 0);
    },
  );
}

/** An issuer: its key set, and tokens that it signs. */
const issuerOf = (name: string, kid: string) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'ES256', kid })}.${encode({ iss: name, sub: 'ann' })}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid },
    query: `?access_token=${signed}.${signature.toString('base64url')}`,
  };
};

test(
  'tokens: key sets come over xDS and from addresses; access lines come when the mesh says so',
  { timeout: 60_000 },
  async () => {
    const inline = issuerOf('inline', 'a');
    const remote = issuerOf('remote', 'b');
    const keySet = (...keys: object[]): string => JSON.stringify({ keys });
    const keys = createServer((_request, response) => response.end(keySet(remote.jwk)));
    keys.listen(0, '127.0.0.1');
    await once(keys, 'listening');
    try {
      const ca = testCa();
      await using controlPlane = await startWaypointControlPlane(ca);
      configure(controlPlane);
      const jwksUri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`;
      const rules = [
        { issuer: 'inline', jwksSecret: 'inline-keys' },
        { issuer: 'remote', jwksUri },
      ];
      controlPlane.set(PolicySchema, 'p', { body: { case: 'jwt', value: { rules } } });
      using workload = await startWorkload(ca);
      await using waypoint = await startWaypointProcess(controlPlane, ca, {
        AMBIT_UPSTREAM_HBONE_PORT: String(workload.port),
        AMBIT_ACCESS_LOG: 'mesh',
      });
      await waypoint.ready();
      using client = await startClient(ca, waypoint);

      assert.deepEqual(await client.get('/a'), { status: 200, body: 'path /a' });
      assert.deepEqual(await client.get(`/a${remote.query}`), { status: 200, body: 'path /a' });
      assert.deepEqual(await client.get(`/a${inline.query}`), { status: 401, body: 'Jwks remote fetch is failed' });
      controlPlane.set(SecretSchema, 'inline-keys', { body: { case: 'jwks', value: { json: keySet(inline.jwk) } } });
      await eventually(async () => (await client.get(`/a${inline.query}`)).status === 200, 'the key set over xDS');
      const other = issuerOf('remote', 'c');
      assert.deepEqual(await client.get(`/a${other.query}`), {
        status: 401,
        body: "Jwks doesn't have key to match kid or alg from Jwt",
      });

      assert.ok(!waypoint.lines.some((line) => line.includes('"GET /a')), 'no access line without a provider');
      controlPlane.set(ProxyConfigSchema, 'self', {
        trustDomain: 'cluster.local',
        providers: [{ name: 'envoy', body: { case: 'accessLog', value: { path: '/dev/stdout' } } }],
      });
      await eventually(async () => {
        await client.get('/logged');
        return waypoint.lines.some((line) => line.includes('"GET /logged HTTP/1.1" 200 - via_upstream'));
      }, 'access lines');
    } finally {
      keys.closeAllConnections();
      keys.close();
    }
  },
);
