/**
 * A data thread's configuration of 1,000 services with 10 endpoints each, as a process of `bench l7` (run with --expose-gc): what
 * it weighs, and what a change costs. Prints JSON: heapMb, loadMs, changeMs. Messages are cloned, as between threads.
 */
import { create } from '@bufbuild/protobuf';
import { BackendSchema, FrontendSchema, RouteTableSchema } from '@ambit/proto/waypoint';
import { createStateStore, type Service, type Workload } from '@ambit/state';
import { HeaderList, noPeer, type RequestView } from '@ambit/l7';
import { compileConfig } from '../updates/compiled-config.ts';
import { applyConfigDiff, type ConfigDiff, emptyConfig } from '../updates/config-store.ts';

const SERVICES = 1000;
const ENDPOINTS = 10;
const ROUTES = 10;
const CHANGES = 21;

const keyOf = (index: number): string => `team-${index % 50}/service-${index}.team-${index % 50}.svc.cluster.local`;

const tableOf = (index: number, backend: string) =>
  create(RouteTableSchema, {
    routes: Array.from({ length: ROUTES }, (_one, route) => ({
      name: `route-${route}`,
      matches: [{ path: { m: { case: 'prefix' as const, value: `/v${route}/items` } }, segmentPrefix: true }],
      action: { case: 'forward' as const, value: { targets: [{ backend, weight: 1 }] } },
    })),
    hosts: [`service-${index}`],
  });

const rows = <T>(of: (index: number) => readonly (readonly [string, T])[]) => ({
  upsert: Array.from({ length: SERVICES }, (_one, index) => of(index)).flat(),
  remove: [],
});

const configDiff = (): ConfigDiff =>
  ({
    kinds: {
      frontend: rows((index) => {
        const key = keyOf(index);
        const [namespace = '', hostname = ''] = key.split('/');
        const ports = [{ port: 80, protocol: 1, routeTable: `${key}:80`, backend: `${key}/80` }];
        return [[key, create(FrontendSchema, { hostname, namespace, ports })]];
      }),
      routeTable: rows((index) => [[`${keyOf(index)}:80`, tableOf(index, `${keyOf(index)}/80`)]]),
      backend: rows((index) => {
        const [serviceNamespace = '', hostname = ''] = keyOf(index).split('/');
        const backend = create(BackendSchema, { hostname, port: 80, protocol: 1, serviceNamespace, serviceName: 'x' });
        return [[`${keyOf(index)}/80`, backend]];
      }),
    },
  }) as unknown as ConfigDiff;

const ipOf = (index: number): string => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

const serviceOf = (index: number): Service => {
  const [namespace = '', hostname = ''] = keyOf(index).split('/');
  return {
    name: `service-${index}`,
    namespace,
    hostname,
    vips: [{ network: '', ip: `172.20.${index >> 8}.${index & 255}` }],
    cidrVips: [],
    ports: { 80: 8080 },
    subjectAltNames: [],
    waypoint: undefined,
    weightedWaypoints: [],
    loadBalancer: undefined,
    ipFamilies: undefined,
    canonical: true,
    visibility: 'PUBLIC',
  };
};

const workloadOf = (index: number): Workload => {
  const service = keyOf(Math.floor(index / ENDPOINTS));
  const [namespace = ''] = service.split('/');
  const name = `service-${Math.floor(index / ENDPOINTS)}-${index}`;
  return {
    uid: `cluster//Pod/${namespace}/${name}`,
    name,
    namespace,
    ips: [ipOf(index)],
    hostname: '',
    network: '',
    protocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    waypoint: undefined,
    networkGateway: undefined,
    node: `node-${index % 100}`,
    canonicalName: name,
    canonicalRevision: 'v1',
    workloadType: 'deployment',
    workloadName: name,
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: { [service]: { 80: 8080 } },
    authorizationPolicies: [],
    healthy: true,
    clusterId: 'cluster',
    locality: { region: 'r', zone: `z${index % 3}`, subzone: '' },
    hostNetwork: false,
    capacity: 1,
  };
};

const view: RequestView = {
  peer: noPeer,
  sourceIp: '10.0.0.1',
  remoteIp: '10.0.0.1',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'x',
  path: '/v3/items/1',
  query: undefined,
  headers: HeaderList.fromRaw(['host', 'x']),
};

const heapBytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

/** The rule that decides now; compiles the table when it changed. */
const decide = (of: typeof config, index: number): string | undefined => {
  const port = of.frontendPort(keyOf(index), 80);
  const routes = typeof port === 'string' ? undefined : port.routes();
  return routes?.kind === 'table' ? routes.table.select(view, () => 0).route?.name : undefined;
};

/** Clones of the first messages; what the control side keeps of them is garbage here. */
const firstMessages = () => ({
  config: structuredClone(configDiff()),
  state: structuredClone(
    createStateStore().apply({
      services: Array.from({ length: SERVICES }, (_one, index) => serviceOf(index)),
      workloads: Array.from({ length: SERVICES * ENDPOINTS }, (_one, index) => workloadOf(index)),
    }).diff,
  ),
});

const before = heapBytes();
const store = createStateStore();
let config = compileConfig(emptyConfig);
/** Applies the first messages and compiles every table; the time of it. */
const load = (): number => {
  const first = firstMessages();
  const startedMs = performance.now();
  config = compileConfig(applyConfigDiff(config.snapshot, first.config));
  store.applyDiff(first.state);
  for (let index = 0; index < SERVICES; index++) decide(config, index);
  return performance.now() - startedMs;
};
const loadMs = load();
const heapMb = (heapBytes() - before) / 1_048_576;

const changes: number[] = [];
for (let change = 0; change < CHANGES; change++) {
  const key = `${keyOf(change)}:80`;
  const diff = { kinds: { routeTable: { upsert: [[key, tableOf(change, 'other')]], remove: [] } } };
  const startedMs = performance.now();
  config = compileConfig(applyConfigDiff(config.snapshot, structuredClone(diff) as unknown as ConfigDiff));
  if (decide(config, change) !== 'route-3') throw new Error('the changed table does not decide');
  changes.push(performance.now() - startedMs);
}
const changeMs = changes.sort((a, b) => a - b)[changes.length >> 1];
process.stdout.write(`${JSON.stringify({ heapMb, loadMs, changeMs, workloads: store.snapshot().workloads.size })}\n`);
