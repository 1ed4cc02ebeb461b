/**
 * The waypoint of `bench l7` as a process: `<identity.json> <backend port> <tunnel port of the backend>`. One data plane with
 * 100 routes, an authorization policy, access log and metrics, reachable as a plain HTTP proxy (to compare with proxies that
 * know no tunnels) and through tunnels. Prints `listening <plain port> <tunnel port>`.
 */
import { readFileSync } from 'node:fs';
import { openSync, writeSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { hostDomain, listenIn } from '@ambit/net';
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
import type { ConfigDiff } from '../updates/config-store.ts';

const host = '127.0.0.1';
const [identityFile = '', backendPort = '', tunnelPort = '', jwksFile = ''] = process.argv.slice(2);
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
    reusePort: false,
    dataThreads: 1,
    byteEngine: 'http2',
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
        { to: [{ methods: [{ m: { case: 'exact' as const, value: 'GET' } }] }] },
      ],
    },
  },
});
const jwt = create(PolicySchema, {
  body: { case: 'jwt', value: { rules: [{ issuer: 'bench', jwksSecret: 'jwks', forward: true }] } },
});
const refs = [{ policy: 'authz' }, ...(jwksFile === '' ? [] : [{ policy: 'jwt' }])];
const frontend = (name: string) =>
  create(FrontendSchema, {
    hostname: `${name}.bench`,
    namespace: 'bench',
    ports: [{ port: 80, protocol: 1, routeTable: name, backend: name }],
    policies: refs,
  });
const rows = <T>(entries: readonly (readonly [string, T])[]) => ({ upsert: entries, remove: [] });
const diff = {
  kinds: {
    proxy: rows([['self', create(ProxyConfigSchema, { trustDomain: 'cluster.local' })]]),
    listener: rows([['mesh', create(ListenerSchema, { port: 15_008, protocol: Listener_Protocol.HBONE })]]),
    frontend: rows([
      ['plain', frontend('plain')],
      ['bench/mesh.bench', frontend('mesh')],
    ]),
    routeTable: rows([
      ['plain', create(RouteTableSchema, { routes: routesTo('plain') })],
      ['mesh', create(RouteTableSchema, { routes: routesTo('mesh') })],
    ]),
    backend: rows([
      [
        'plain',
        create(BackendSchema, {
          hostname: 'plain.bench',
          kind: 1,
          protocol: 1,
          endpoints: [{ address: host, port: Number(backendPort) }],
        }),
      ],
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
const plain = await listenIn(
  hostDomain,
  { port: 0, address: host },
  { onConnection: (endpoint) => plane.serveHttp(endpoint, 'plain', 80), log: silentLogger, backlog: 1024 },
);
process.stdout.write(`listening ${plain.address.port} ${tunnels}\n`);
