import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateState } from '@ambit/identity/certificate-manager';
import { testCa } from '@ambit/identity/testing';
import { createStateStore } from '@ambit/state';
import { readConfig } from '../config.ts';
import { parseLocalState } from '../updates/local-file.ts';
import { configDump } from './config-dump.ts';
import { shownConfig } from './shown-config.ts';

const local = `
workloads:
- uid: k//v1/Pod/shop/cart-1
  name: cart-1
  namespace: shop
  serviceAccount: cart
  trustDomain: cluster.local
  workloadIps: ["10.1.0.11"]
  protocol: HBONE
  node: node-a
  network: east
  locality: { region: r, zone: z, subzone: s }
  capacity: 3
  waypoint: { destination: "shop/waypoint.shop.svc.cluster.local", hboneMtlsPort: 15008 }
  applicationTunnel: { protocol: PROXY, port: 9000 }
  services: { "shop/cart.shop.svc.cluster.local": { 80: 8080 }, "shop/unknown.example": { 1: 2 } }
  authorizationPolicies: ["shop/only-web"]
- { uid: z, name: legacy, namespace: shop, workloadIps: ["10.1.0.12"], status: Unhealthy, services: {} }
services:
- name: cart
  namespace: shop
  hostname: cart.shop.svc.cluster.local
  vips: ["east/10.96.0.20"]
  cidrVips: [{ network: east, cidr: 10.97.0.0/16 }]
  ports: { 80: 8080 }
  loadBalancer: { mode: Failover, routingPreferences: [Network, Region], healthPolicy: OnlyHealthy }
  ipFamilies: IPv4
policies:
- { name: only-web, namespace: shop, scope: WorkloadSelector, action: Allow, dryRun: false, rules: [[[{ principals: [!Exact cluster.local/ns/shop/sa/web], notPrincipals: [!Presence []], sourceIps: ["10.0.0.0/8"], destinationPorts: [80] }]]] }
`;

interface Dump {
  readonly workloads: readonly Record<string, unknown>[];
  readonly services: readonly Record<string, unknown>[];
  readonly policies: readonly Record<string, unknown>[];
  readonly [member: string]: unknown;
}

async function dumpOf(): Promise<{ text: string; dump: Dump }> {
  const state = parseLocalState(local);
  const store = createStateStore();
  store.apply(state);
  const identity = 'spiffe://cluster.local/ns/shop/sa/cart';
  const certificate = await testCa({ intermediates: 1 }).issue(identity);
  const certificates = new Map<string, CertificateState>([
    [identity, { kind: 'available', certificate }],
    ['spiffe://b', { kind: 'unavailable', error: new Error('no CA') }],
    ['spiffe://a', { kind: 'initializing' } as CertificateState],
  ]);
  const pod = (uid: string, up: boolean) => ({
    uid,
    state: up ? ('Up' as const) : ('Pending' as const),
    workload: { name: uid, namespace: 'shop', serviceAccount: 'cart' },
  });
  const connection = { src: '10.1.0.1:5', originalDst: null, actualDst: '10.1.0.11:8080', protocol: 'HBONE' } as const;
  const text = configDump({
    snapshot: store.snapshot(),
    certificates,
    pods: [pod('up', true), pod('waiting', false)],
    connections: new Map([['up#3', [{ direction: 'inbound' as const, ...connection }]]]),
    config: shownConfig(
      readConfig({
        XDS_ADDRESS: 'istiod:15012',
        XDS_HEADER_SECRET: 'do-not-show',
        CA_HEADER_KEY: 'do-not-show',
        AUTH_TOKEN: 'do-not-show',
        XDS_ROOT_CA: 'do-not-show',
        LOCAL_XDS: local,
        TERMINATION_GRACE_PERIOD_SECONDS: '30',
        POOL_UNUSED_RELEASE_TIMEOUT: '1500ms',
      }),
    ),
    localState: state,
    version: { version: '1' },
  });
  return { text, dump: JSON.parse(text) as Dump };
}

test('the dump has the members and keys that istioctl and Kiali read', async () => {
  const { text, dump } = await dumpOf();
  assert.deepEqual(Object.keys(dump), [
    'certificates',
    'config',
    'policies',
    'services',
    'stagedServices',
    'staticConfig',
    'version',
    'workloadState',
    'workloads',
  ]);
  assert.ok(text.startsWith('{\n  "certificates": ['), 'two spaces, keys in order');
  assert.deepEqual(dump.workloads[0], {
    applicationTunnel: { port: 9000, protocol: 'PROXY' },
    authorizationPolicies: ['shop/only-web'],
    capacity: 3,
    clusterId: dump.workloads[0]?.['clusterId'],
    locality: { region: 'r', subzone: 's', zone: 'z' },
    name: 'cart-1',
    namespace: 'shop',
    network: 'east',
    networkMode: 'Standard',
    node: 'node-a',
    protocol: 'HBONE',
    serviceAccount: 'cart',
    services: ['shop/cart.shop.svc.cluster.local', 'shop/unknown.example'],
    status: 'Healthy',
    trustDomain: 'cluster.local',
    uid: 'k//v1/Pod/shop/cart-1',
    waypoint: { destination: 'shop/waypoint.shop.svc.cluster.local', hboneMtlsPort: 15008 },
    workloadIps: ['10.1.0.11'],
    ...('workloadType' in (dump.workloads[0] ?? {}) ? { workloadType: dump.workloads[0]?.['workloadType'] } : {}),
  });
  assert.deepEqual(dump.services[0], {
    canonical: false,
    cidrVips: [{ cidr: '10.97.0.0/16', network: 'east' }],
    endpoints: {
      'k//v1/Pod/shop/cart-1': { port: { 80: 8080 }, status: 'Healthy', workloadUid: 'k//v1/Pod/shop/cart-1' },
    },
    hostname: 'cart.shop.svc.cluster.local',
    ipFamilies: 'IPv4',
    loadBalancer: { healthPolicy: 'OnlyHealthy', mode: 'Failover', routingPreferences: ['Network', 'Region'] },
    name: 'cart',
    namespace: 'shop',
    ports: { 80: 8080 },
    subjectAltNames: [],
    vips: ['east/10.96.0.20'],
    visibility: 'Public',
  });
  assert.deepEqual(dump.policies[0], {
    action: 'Allow',
    dryRun: false,
    name: 'only-web',
    namespace: 'shop',
    rules: [
      [
        [
          {
            destinationPorts: [80],
            notPrincipals: [{ Presence: [] }],
            principals: [{ Exact: 'cluster.local/ns/shop/sa/web' }],
            sourceIps: ['10.0.0.0/8'],
          },
        ],
      ],
    ],
    scope: 'WorkloadSelector',
  });
  assert.deepEqual(dump['stagedServices'], {
    'shop/unknown.example': {
      'k//v1/Pod/shop/cart-1': { port: { 1: 2 }, status: 'Healthy', workloadUid: 'k//v1/Pod/shop/cart-1' },
    },
  });
});

test('pods show their connections once they are up', async () => {
  const { dump } = await dumpOf();
  const info = (name: string) => ({ name, namespace: 'shop', serviceAccount: 'cart' });
  assert.deepEqual(dump['workloadState'], {
    up: {
      connections: {
        inbound: [{ actualDst: '10.1.0.11:8080', originalDst: null, protocol: 'HBONE', src: '10.1.0.1:5' }],
        outbound: [],
      },
      info: info('up'),
      state: 'Up',
    },
    waiting: { info: info('waiting'), state: 'Pending' },
  });
});

test('certificates have their three states, decimal serials and times in seconds, and no key', async () => {
  const { text, dump } = await dumpOf();
  const [a, b, ours] = dump['certificates'] as readonly Record<string, readonly Record<string, string>[]>[];
  assert.deepEqual(a, { certChain: [], identity: 'spiffe://a', rootCerts: [], state: 'Initializing' });
  assert.deepEqual(b, { certChain: [], identity: 'spiffe://b', rootCerts: [], state: 'Unavailable: no CA' });
  assert.equal(ours?.['state'], 'Available');
  assert.deepEqual([ours?.['certChain']?.length, ours?.['rootCerts']?.length], [2, 1]);
  const leaf = ours?.['certChain']?.[0];
  assert.match(leaf?.['serialNumber'] ?? '', /^[0-9]+$/);
  assert.match(leaf?.['validFrom'] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.match(Buffer.from(leaf?.['pem'] ?? '', 'base64').toString(), /^-----BEGIN CERTIFICATE-----/);
  assert.ok(!text.includes('PRIVATE KEY'));
});

test('the configuration has the keys and durations of ztunnel, and no secret', async () => {
  const { text, dump } = await dumpOf();
  const config = dump['config'] as Record<string, unknown>;
  assert.deepEqual(
    [config['xdsAddress'], config['xdsHeaders'], config['proxyMode'], config['adminAddr']],
    ['https://istiod:15012', ['secret'], 'Shared', '127.0.0.1:15000'],
  );
  assert.deepEqual(config['selfTerminationDeadline'], { secs: 25, nanos: 0 });
  assert.deepEqual(config['poolUnusedReleaseTimeout'], { secs: 1, nanos: 500_000_000 });
  assert.ok(!text.includes('do-not-show'));
});
