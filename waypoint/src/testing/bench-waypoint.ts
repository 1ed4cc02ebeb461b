/**
 * The waypoint of `bench l7` as a process: `<identity.json> <backend port> <tunnel port of the backend> <gRPC port of the
 * backend> [<jwks.json>]`. One data plane with 100 routes, an authorization policy, access log and metrics, reachable as a
 * plain HTTP proxy (to compare with proxies that know no tunnels), as one for gRPC, and through tunnels. Prints
 * `listening <plain port> <tunnel port> <gRPC port>`.
 */
import { readFileSync } from 'node:fs';
import { openSync, writeSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { chooseByteEngine } from '@ambit/hbone';
import { type Endpoint, hostDomain, listenIn } from '@ambit/net';
import {
  BackendSchema,
  FrontendSchema,
  type HttpRoute,
  HttpRouteSchema,
  ListenerSchema,
  Listener_Protocol,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
  SecretSchema,
} from '@ambit/proto/waypoint';
import { silentLogger } from '@ambit/runtime/log';
import { createStateStore, type Workload } from '@ambit/state';
import { createDataPlane } from '../threads/data-plane.ts';
import { createSharedMemory } from '../threads/shared-memory.ts';
import type { ConfigDiff } from '../updates/config-store.ts';

const host = '127.0.0.1';
const [identityFile = '', backendPort = '', tunnelPort = '', grpcPort = '', jwksFile = ''] = process.argv.slice(2);
const byteEngine = chooseByteEngine('auto').engine.name;
const identity = JSON.parse(readFileSync(identityFile, 'utf8')) as Record<string, string>;

/** Lines of the access log leave in one write per 64 KiB, as in the product. */
const sink = openSync('/dev/null', 'w');
let lines = '';
const accessLine = (line: string): void => {
  lines += `${line}\n`;
  if (lines.length < 65_536) return;
  writeSync(sink, lines);
  lines = '';
};

const plane = createDataPlane({
  settings: {
    domain: hostDomain,
    hbonePort: 0,
    upstreamHbonePort: Number(tunnelPort),
    ownIp: host,
    logLevel: 'off',
    logFormat: 'plain',
    accessLog: 'TEXT',
    idleMs: undefined,
    sessionKey: new Uint8Array(32),
    reusePort: false,
    shared: createSharedMemory(),
    byteEngine,
  },
  log: silentLogger as never,
  post: () => undefined,
  accessLine,
});

const prefix = (value: string): HttpRoute['matches'] =>
  [{ path: { m: { case: 'prefix' as const, value } }, segmentPrefix: true }] as never;
const routesTo = (backend: string): HttpRoute[] =>
  [...Array.from({ length: 99 }, (_one, index) => `/service-${index}/v1`), '/'].map((path) =>
    create(HttpRouteSchema, {
      name: `route ${path}`,
      matches: prefix(path),
      action: { case: 'forward', value: { targets: [{ backend, weight: 1 }] } },
    }),
  );

/** Ten rules, of which the last one allows. */
const policy = create(PolicySchema, {
  meta: { namespace: 'bench', name: 'allow' },
  body: {
    case: 'authz',
    value: {
      action: 0,
      rules: [
        ...Array.from({ length: 9 }, (_one, index) => ({
          from: [{ principals: [{ m: { case: 'exact' as const, value: `cluster.local/ns/n${index}/sa/a` } }] }],
        })),
        { to: [{ methods: ['GET', 'POST'].map((value) => ({ m: { case: 'exact' as const, value } })) }] },
      ],
    },
  },
});
const jwt = create(PolicySchema, {
  body: { case: 'jwt', value: { rules: [{ issuer: 'bench', jwksSecret: 'jwks', forward: true }] } },
});
const refs = [{ policy: 'authz' }, ...(jwksFile === '' ? [] : [{ policy: 'jwt' }])];
const frontend = (name: string, protocol = 1) =>
  create(FrontendSchema, {
    hostname: `${name}.bench`,
    namespace: 'bench',
    ports: [{ port: 80, protocol, routeTable: name, backend: name }],
    policies: refs,
  });
const plainBackend = (name: string, port: string, protocol: number) =>
  create(BackendSchema, {
    hostname: `${name}.bench`,
    kind: 1,
    protocol,
    endpoints: [{ address: host, port: Number(port) }],
  });
const rows = <T>(entries: readonly (readonly [string, T])[]) => ({ upsert: entries, remove: [] });
const diff = {
  kinds: {
    proxy: rows([['self', create(ProxyConfigSchema, { trustDomain: 'cluster.local' })]]),
    listener: rows([['mesh', create(ListenerSchema, { port: 15_008, protocol: Listener_Protocol.HBONE })]]),
    frontend: rows([
      ['plain', frontend('plain')],
      ['grpc', frontend('grpc', 3)],
      ['bench/mesh.bench', frontend('mesh')],
    ]),
    routeTable: rows([
      ['plain', create(RouteTableSchema, { routes: routesTo('plain') })],
      ['grpc', create(RouteTableSchema, { routes: routesTo('grpc') })],
      ['mesh', create(RouteTableSchema, { routes: routesTo('mesh') })],
    ]),
    backend: rows([
      ['plain', plainBackend('plain', backendPort, 1)],
      ['grpc', plainBackend('grpc', grpcPort, 3)],
      [
        'mesh',
        create(BackendSchema, {
          hostname: 'mesh.bench',
          port: 80,
          protocol: 1,
          serviceNamespace: 'bench',
          serviceName: 'mesh',
        }),
      ],
    ]),
    policy: rows([
      ['authz', policy],
      ['jwt', jwt],
    ]),
    secret: rows(
      jwksFile === ''
        ? []
        : [['jwks', create(SecretSchema, { body: { case: 'jwks', value: { json: readFileSync(jwksFile, 'utf8') } } })]],
    ),
  },
} as unknown as ConfigDiff;

const workload = {
  uid: 'bench',
  name: 'bench',
  namespace: 'bench',
  ips: [host],
  hostname: '',
  network: '',
  protocol: 'HBONE',
  trustDomain: 'cluster.local',
  serviceAccount: 'proxy',
  services: { 'bench/mesh.bench': { 80: Number(backendPort) } },
  authorizationPolicies: [],
  healthy: true,
  clusterId: 'bench',
  locality: { region: '', zone: '', subzone: '' },
  hostNetwork: false,
  capacity: 1,
  canonicalName: 'bench',
  canonicalRevision: 'v1',
  workloadType: 'deployment',
  workloadName: 'bench',
  nativeTunnel: false,
  node: 'bench',
} as unknown as Workload;
const service = {
  name: 'mesh',
  namespace: 'bench',
  hostname: 'mesh.bench',
  vips: [{ network: '', ip: host }],
  cidrVips: [],
  ports: { 80: Number(backendPort) },
  subjectAltNames: [],
  weightedWaypoints: [],
  canonical: true,
  visibility: 'PUBLIC',
};

plane.receive({
  kind: 'certificate',
  certificate: { ...identity, identity: 'spiffe://cluster.local/ns/bench/sa/proxy' } as never,
});
plane.receive({ kind: 'config', diff });
plane.receive({
  kind: 'state',
  diff: createStateStore().apply({ services: [service as never], workloads: [workload] }).diff,
});
const tunnels = await plane.listen();
const listenPlain = async (frontendKey: string): Promise<number> => {
  const onConnection = (endpoint: Endpoint): void => plane.serveHttp(endpoint, frontendKey, 80);
  const options = { onConnection, log: silentLogger, backlog: 1024 };
  return (await listenIn(hostDomain, { port: 0, address: host }, options)).address.port;
};
process.stdout.write(`listening ${await listenPlain('plain')} ${tunnels} ${await listenPlain('grpc')}\n`);
