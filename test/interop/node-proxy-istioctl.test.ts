// The admin pages of a running node proxy as the real istioctl reads them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startNodeProxy, streamAgent } from '../fixtures/node-proxy.ts';
import { peerTest } from '../fixtures/peer-program.ts';
import { echoed, viaSocks } from '../fixtures/socks-client.ts';

const state = `
workloads:
- uid: Kubernetes//Pod/shop/client-1
  name: client-1
  namespace: shop
  serviceAccount: client
  workloadIps: ["127.74.1.1"]
  protocol: HBONE
  node: node-a
  services: { "shop/cart.shop.svc.cluster.local": { 80: 8080 } }
  authorizationPolicies: ["shop/only-web"]
  locality: { region: r1, zone: z1 }
- { uid: Kubernetes//Pod/shop/legacy, name: legacy, namespace: shop, workloadIps: ["10.1.0.12"], protocol: TCP, node: node-b, services: {} }
- { uid: Kubernetes//Pod/shop/way-1, name: way-1, namespace: shop, serviceAccount: way, workloadIps: ["10.1.0.13"], protocol: HBONE, node: node-b, services: { "shop/way.shop.svc.cluster.local": { 15008: 15008 } } }
services:
- name: cart
  namespace: shop
  hostname: cart.shop.svc.cluster.local
  vips: ["/10.96.0.20", "/2001:db8::20"]
  ports: { 80: 8080 }
  waypoint: { destination: "shop/way.shop.svc.cluster.local", hboneMtlsPort: 15008 }
  loadBalancer: { mode: Failover, routingPreferences: [Network, Region], healthPolicy: OnlyHealthy }
- { name: way, namespace: shop, hostname: way.shop.svc.cluster.local, vips: ["/10.96.0.21"], ports: { 15008: 15008 } }
policies:
- name: only-web
  namespace: shop
  scope: WorkloadSelector
  action: Allow
  dryRun: false
  rules:
  - - - principals: [!Exact cluster.local/ns/shop/sa/web, !Prefix td/, !Presence []]
        notSourceIps: ["10.9.0.0/16"]
        destinationPorts: [8080]
`;

peerTest(
  'istioctl',
  'istioctl prints workloads, services, policies, certificates and connections of a dump',
  async (istioctl) => {
    await using stack = new AsyncDisposableStack();
    const scratch = mkdtempSync(join(tmpdir(), 'ambit-istioctl-'));
    stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
    const uds = join(scratch, 'zds.sock');
    stack.use(await streamAgent(uds, [{ uid: 'u-c', name: 'client-1', namespace: 'shop', serviceAccount: 'client' }]));
    const address = '127.74.0.1';
    const proxy = stack.use(
      startNodeProxy(
        {
          NODE_NAME: 'node-a',
          XDS_ADDRESS: '',
          FAKE_CA: 'true',
          LOCAL_XDS: state,
          INPOD_UDS: uds,
          AMBIT_ZDS_TRANSPORT: 'stream',
          AMBIT_LOOPBACK_ADDRESS: address,
        },
        { address },
      ),
    );
    await proxy.line('loopback pod is served');
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await once(server.listen(9000, '127.74.1.9'), 'listening');
    stack.defer(() => void server.close());
    const open = await viaSocks('127.74.1.1', '127.74.1.9', 9000);
    stack.defer(() => void open.destroy());
    assert.equal(await echoed(open, 'open'), 'open');
    const dump = await certified(async () => (await proxy.get(15000, '/config_dump')).body);
    const file = join(scratch, 'dump.json');
    writeFileSync(file, dump);
    const run = async (...args: readonly string[]): Promise<string> =>
      (await promisify(execFile)(istioctl, ['ztunnel-config', ...args, '--file', file])).stdout;
    const rowsOf = (text: string, first: string): string[] =>
      text
        .split('\n')
        .filter((line) => line.startsWith(first))
        .map((line) => line.trim().split(/\s+/u).join(' '));

    const all = await run('all');
    assert.deepEqual(rowsOf(all, 'shop').toSorted(), [
      'shop cart 10.96.0.20,2001:db8::20 way 1/1',
      'shop client-1 127.74.1.1 node-a None HBONE',
      'shop legacy 10.1.0.12 node-b None TCP',
      'shop only-web Allow WorkloadSelector',
      'shop way 10.96.0.21 None 1/1',
      'shop way-1 10.1.0.13 node-b None HBONE',
    ]);
    assert.match(all, /spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client +Leaf +Available +true/);
    assert.match(all, /spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client +Root +Available +true/);
    for (const [command, key] of [
      ['workload', 'name'],
      ['service', 'hostname'],
      ['policy', 'name'],
      ['certificate', 'identity'],
    ] as const) {
      const shown = JSON.parse(await run(command, '-o', 'json')) as readonly Record<string, unknown>[];
      assert.ok(shown.length > 0 && shown.every((one) => typeof one[key] === 'string'), command);
    }
    assert.match(await run('connections'), /client-1\.shop +Outbound +client-1\.shop:\d+ +127\.74\.1\.9:9000 .*TCP/);
  },
);

/** Dumps until the certificate is there. */
async function certified(dump: () => Promise<string>): Promise<string> {
  for (let left = 100; left > 0; left -= 1) {
    const text = await dump();
    if (text.includes('"Available"')) return text;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('no certificate within 5 s');
}
