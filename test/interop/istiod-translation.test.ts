// Our translation beside a real istiod (AMBIT_PEER_ISTIOD): the same objects in one API, every address and policy that istiod
// serves compared with ours. The objects combine features that the recorded cases hold apart: owners, ports by name, slices,
// waypoints with canaries and inbound bindings, hostnames defined twice, policies of all shapes, mutual TLS with ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Model, modelOptions } from '@ambit/model';
import { AuthorizationSchema } from '@ambit/proto/authorization';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/proto/type-urls';
import { AddressSchema } from '@ambit/proto/workload';
import type { KindName, KubernetesObject } from '@ambit/resources';
import { testPod } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import { anyHandler, createXdsClient } from '@ambit/xds';
import { startBareApi } from '../fixtures/bare-api.ts';
import { startIstiod } from '../fixtures/istiod.ts';
import { notRun, versionOf } from '../fixtures/run-client.ts';

const program = process.env['AMBIT_PEER_ISTIOD'];
const skip = program === undefined || program === '' ? notRun('istiod (pilot-discovery)', 'AMBIT_PEER_ISTIOD') : false;

type Labels = Readonly<Record<string, string>>;

const object = (
  apiVersion: string,
  kind: string,
  name: string,
  metadata: object,
  spec: object,
  status?: object,
): KubernetesObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'apps', ...metadata },
  spec,
  ...(status !== undefined && { status }),
});
const namespace = (name: string, labels: Labels): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});
const service = (name: string, metadata: object, spec: object): KubernetesObject =>
  object('v1', 'Service', name, metadata, spec);
const gateway = (name: string, metadata: object, from: string): KubernetesObject =>
  object(
    'gateway.networking.k8s.io/v1',
    'Gateway',
    name,
    metadata,
    {
      gatewayClassName: 'istio-waypoint',
      listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes: { namespaces: { from } } }],
    },
    { addresses: [{ type: 'Hostname', value: `${name}.apps.svc.cluster.local` }] },
  );
const istio = (kind: string, name: string, metadata: object, spec: object): KubernetesObject => {
  const group = kind === 'AuthorizationPolicy' || kind === 'PeerAuthentication' ? 'security' : 'networking';
  return object(`${group}.istio.io/v1`, kind, name, metadata, spec);
};
let nextIp = 1;
const pod = (name: string, labels: Labels, extra: object = {}): KubernetesObject =>
  testPod('apps', name, `10.0.0.${nextIp++}`, { labels, ...extra });
const owned = (kind: string, name: string): object => ({
  generateName: 'g-',
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'u', controller: true }],
});
const http = [{ name: 'http', number: 80, protocol: 'HTTP' }];

/** Labels and annotations about waypoints; each goes onto a Service, a pod and a ServiceEntry of its own. */
const bindings: readonly { readonly labels: Labels; readonly annotations?: Labels }[] = [
  { labels: { 'istio.io/use-waypoint': 'all' } },
  { labels: { 'istio.io/use-waypoint': 'none' } },
  { labels: { 'istio.io/use-waypoint': '' } },
  { labels: { 'istio.io/use-waypoint': 'missing' } },
  { labels: { 'istio.io/use-waypoint': 'plain', 'istio.io/ingress-use-waypoint': 'T' } },
  {
    labels: { 'istio.io/use-waypoint': 'all', 'istio.io/use-waypoint-canary': 'plain' },
    annotations: { 'istio.io/use-waypoint-canary-weight': '+030' },
  },
  {
    labels: { 'istio.io/use-waypoint': 'all', 'istio.io/use-waypoint-canary': 'plain' },
    annotations: { 'istio.io/use-waypoint-canary-weight': '101' },
  },
];

const rules: readonly object[] = [
  { from: [{ source: { principals: ['*', 'a*', '*b', 'td/ns/a/sa/b'], notNamespaces: ['x'] } }] },
  { from: [{ source: { ipBlocks: ['10.1.2.3/8', '::1'], serviceAccounts: ['sa', 'ns/sa'] } }] },
  { to: [{ operation: { ports: ['80'], methods: ['GET'] } }, { operation: { notPorts: ['443'] } }] },
  { from: [{ source: { requestPrincipals: ['*'] } }], to: [{ operation: { ports: ['80'] } }] },
  {
    when: [
      { key: 'source.ip', notValues: ['1.2.3.4'] },
      { key: 'request.headers[x]', values: ['y'] },
    ],
  },
];
const portModes: readonly (readonly [string, string])[] = [
  ['STRICT', 'PERMISSIVE'],
  ['PERMISSIVE', 'STRICT'],
  ['UNSET', 'DISABLE'],
];

function objects(): KubernetesObject[] {
  const dns = [
    { name: 'dns', port: 53, targetPort: 'dns', protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, targetPort: 'dns-tcp', protocol: 'TCP' },
  ];
  return [
    namespace('istio-system', { 'topology.istio.io/network': 'n1' }),
    namespace('apps', {}),
    gateway('all', { labels: { 'istio.io/waypoint-for': 'all' } }, 'All'),
    gateway('plain', { annotations: { 'ambient.istio.io/waypoint-inbound-binding': 'PROXY/15088' } }, 'Same'),
    pod('instance', { 'gateway.networking.k8s.io/gateway-name': 'plain' }),
    pod('owned-a', { app: 'a', 'pod-template-hash': 'abc' }, owned('ReplicaSet', 'web-abc')),
    pod('owned-b', { app: 'a' }, owned('Job', 'cron-12345678')),
    pod('owned-c', { app: 'a', deploymentconfig: '' }, owned('ReplicationController', 'dc-1')),
    service('web', {}, { selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
    service('dns', {}, { selector: { app: 'a' }, ports: dns }),
    service('manual', {}, { ports: [{ name: 'http', port: 80 }], trafficDistribution: 'PreferClose' }),
    {
      ...object('discovery.k8s.io/v1', 'EndpointSlice', 'manual', {}, {}),
      metadata: { name: 'manual', namespace: 'apps', labels: { 'kubernetes.io/service-name': 'manual' } },
      addressType: 'IPv6',
      endpoints: [{ addresses: ['2001:db8::9'] }, { addresses: ['2001:db8::a'], conditions: { ready: false } }],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
    istio(
      'ServiceEntry',
      'twice',
      { labels: { x: 'y' } },
      { hosts: ['web.apps.svc.cluster.local', 'b.io'], ports: http, resolution: 'DNS' },
    ),
    istio(
      'ServiceEntry',
      'blocks',
      { labels: { x: 'y' } },
      { hosts: ['c.io'], addresses: ['10.9.9.9/16'], ports: http, resolution: 'NONE' },
    ),
    istio(
      'WorkloadEntry',
      'vm',
      {},
      { address: '192.0.2.9', network: '', labels: { app: 'a' }, ports: { 'dns-tcp': 5353 } },
    ),
    ...bindings.flatMap((metadata, index) => [
      service(`bound-${index}`, metadata, { ports: [{ name: 'grpc', port: 81 }] }),
      pod(`bound-${index}`, { app: 'b', ...metadata.labels }),
      istio('ServiceEntry', `bound-${index}`, metadata, {
        hosts: [`bound-${index}.io`],
        ports: http,
        resolution: 'STATIC',
        endpoints: [{ address: `192.0.3.${index}`, labels: metadata.labels, network: 'n1' }],
      }),
    ]),
    ...['ALLOW', 'DENY'].flatMap((action) =>
      rules.map((rule, index) =>
        istio(
          'AuthorizationPolicy',
          `${action.toLowerCase()}-${index}`,
          {},
          {
            action,
            rules: [rule],
            ...(index % 2 === 0 && { selector: { matchLabels: { app: 'a' } } }),
          },
        ),
      ),
    ),
    istio('PeerAuthentication', 'default', {}, { mtls: { mode: 'STRICT' } }),
    ...portModes.flatMap(([mode, port], index) => [
      pod(`tls-${index}`, { app: `tls-${index}` }),
      istio(
        'PeerAuthentication',
        `tls-${index}`,
        {},
        {
          selector: { matchLabels: { app: `tls-${index}` } },
          mtls: { mode },
          portLevelMtls: { 8080: { mode: port }, 9090: { mode: 'STRICT' } },
        },
      ),
    ]),
  ];
}

test('a real istiod tells of the same objects what we tell', { skip, timeout: 240_000 }, async () => {
  console.log(`istiod: ${versionOf(program ?? '', ['version'])}`);
  await using api = await startBareApi();
  for (const one of objects()) await api.put(one);
  const model = new Model(modelOptions());
  const kinds = new Set(objects().map(({ kind }) => kind as KindName));
  for (const kind of [...kinds, 'GatewayClass'] as KindName[])
    model.apply((await api.list(kind)).map((one) => ({ type: 'upsert', object: one })));
  await using istiod = await startIstiod(program ?? '', api.kubeconfig, {
    PILOT_ENABLE_GATEWAY_API_STATUS: 'false',
    PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: 'false',
    PILOT_ENABLE_IP_AUTOALLOCATE: 'false',
  });
  const told = new Map<string, JsonValue>();
  const handler = (typeUrl: string, decode: (bytes: Uint8Array) => JsonValue) => ({
    mode: 'wildcard' as const,
    handler: anyHandler<JsonValue>({
      typeUrl,
      decode,
      apply: ({ updated, removed }) => {
        for (const { name, resource } of updated) told.set(`${typeUrl} ${name}`, resource);
        for (const name of removed) told.delete(`${typeUrl} ${name}`);
      },
    }),
  });
  const address = (bytes: Uint8Array): JsonValue => toJson(AddressSchema, fromBinary(AddressSchema, bytes));
  const policy = (bytes: Uint8Array): JsonValue => toJson(AuthorizationSchema, fromBinary(AuthorizationSchema, bytes));
  const ours = new Map<string, JsonValue>([
    ...[...model.addresses.all()].map(({ name, bytes }) => [`${ADDRESS_TYPE_URL} ${name}`, address(bytes)] as const),
    ...[...model.authorizations].map(
      ([name, { bytes }]) => [`${AUTHORIZATION_TYPE_URL} ${name}`, policy(bytes)] as const,
    ),
  ]);
  await using _client = disposable(
    createXdsClient({
      address: `127.0.0.1:${istiod.xdsPort}`,
      credentials: async () => ({ roots: 'plaintext', headers: {} }),
      node: { id: 'ztunnel~127.0.0.1~ztunnel-1.istio-system~istio-system.svc.cluster.local' },
      log: silentLogger,
      subscriptions: [handler(ADDRESS_TYPE_URL, address), handler(AUTHORIZATION_TYPE_URL, policy)],
    }),
  );
  const isSame = (): boolean => [...ours].every(([name, json]) => textOf(told.get(name)) === textOf(json));
  const deadline = Date.now() + 90_000;
  while (!(told.size === ours.size && isSame()) && Date.now() < deadline) await delay(50);
  for (const name of new Set([...ours.keys(), ...told.keys()]))
    assert.equal(textOf(ours.get(name)), textOf(told.get(name)), `${name}: ours, then istiod's`);
  assert.ok(ours.size > 40, `${ours.size} resources`);
});

const disposable = (client: { close(): Promise<void> }): AsyncDisposable => ({
  [Symbol.asyncDispose]: () => client.close(),
});

/** Text of a message, keys in order. */
function textOf(value: JsonValue | undefined): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
