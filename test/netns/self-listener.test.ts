// The node proxy's own pod is a workload of the mesh too: its metrics are reached in a tunnel, and counted at the destination. Root only.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '@ambit/net';
import { collect, send } from '@ambit/net/testing';
import { startNodeProxy } from '../fixtures/node-proxy.ts';
import { packetAgent } from '../fixtures/packet-agent.ts';
import { createPodNetwork } from '../fixtures/pod-network.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const clientIp = '10.201.0.1';
const homeIp = '10.201.0.50';
const state = `
workloads:
- { uid: c, name: client, namespace: shop, serviceAccount: client, workloadIps: ["${clientIp}"], protocol: HBONE, node: n1, services: {} }
- { uid: z, name: ztunnel-x, namespace: istio-system, serviceAccount: ztunnel, workloadIps: ["${homeIp}"], protocol: HBONE, node: n1, services: {}, workloadName: ztunnel }
`;

test('metrics of the proxy are reached in a tunnel from a pod of the mesh', { skip, timeout: 120_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-self-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const network = stack.use(createPodNetwork());
  const client = network.pod('c', clientIp, { enrolled: true });
  const home = network.pod('z', homeIp, { enrolled: false });
  const uds = join(scratch, 'zds.sock');
  const netns = client.netns.fd;
  const agent = stack.use(
    packetAgent(uds, [{ uid: 'u-c', name: 'client', namespace: 'shop', serviceAccount: 'client', netns }]),
  );
  const proxy = stack.use(
    startNodeProxy(
      {
        NODE_NAME: 'n1',
        POD_NAME: 'ztunnel-x',
        POD_NAMESPACE: 'istio-system',
        SERVICE_ACCOUNT: 'ztunnel',
        INSTANCE_IP: homeIp,
        XDS_ADDRESS: '',
        FAKE_CA: 'true',
        AMBIT_FAKE_CA_DIR: join(scratch, 'ca'),
        LOCAL_XDS: state,
        INPOD_UDS: uds,
        ZTUNNEL_WORKER_THREADS: '2',
      },
      { address: '127.0.0.1', wrap: ['ip', 'netns', 'exec', home.namespace] },
    ),
  );
  await agent.snapshotTaken();
  const scrape = async (): Promise<string> => {
    const endpoint = await connect({ kind: 'netns', fd: netns }, { host: homeIp, port: 15_020, timeoutMs: 10_000 });
    const answer = collect(endpoint);
    send(endpoint, 'GET /metrics HTTP/1.1\r\nhost: ztunnel-x\r\nconnection: close\r\n\r\n');
    const text = (await answer).toString();
    endpoint.close();
    return text;
  };
  // The proxy's own listener opens beside those of the pods.
  const untilMs = Date.now() + 30_000;
  let first = '';
  while (first === '' && Date.now() < untilMs) first = await scrape().catch(() => '');
  assert.ok(first.startsWith('HTTP/1.1 200 OK'), first.slice(0, 200));
  assert.ok(first.includes('istio_build{'), first.slice(0, 2000));
  const line = await proxy.line('connection complete', 'direction="inbound"', 'dst.workload="ztunnel-x"');
  assert.ok(line.includes('src.identity="spiffe://cluster.local/ns/shop/sa/client"'), line);
  assert.ok(line.includes(`dst.hbone_addr=${homeIp}:15020`), line);
  // Counts of the data threads arrive once a second.
  const isCounted = (text: string): boolean =>
    text
      .split('\n')
      .some(
        (sample) =>
          sample.startsWith('istio_tcp_connections_opened_total{reporter="destination"') &&
          sample.includes('destination_workload="ztunnel"') &&
          sample.includes('connection_security_policy="mutual_tls"'),
      );
  let text = first;
  while (!isCounted(text) && Date.now() < untilMs) text = await scrape();
  assert.ok(isCounted(text), text.slice(0, 4000));
});
