import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Service } from '../controllers/objects.ts';
import { buildNftRules } from './nft-rules.ts';
import { buildServiceTable } from './service-table.ts';

const service = (name: string, clusterIP: string, spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP, ports: [{ port: 80 }], ...spec },
});
const slice = (name: string, ...ips: string[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  endpoints: ips.map((ip, i) => ({ addresses: [ip], conditions: { ready: true }, nodeName: `node-${i + 1}` })),
  ports: [{ name: '', protocol: 'TCP', port: 8080 }],
});

test('a service with endpoints is translated, one without is refused, a headless one has no rule', () => {
  const services = [service('a', '10.96.1.1'), service('b', '10.96.1.2'), service('c', 'None')];
  const text = buildNftRules(
    buildServiceTable(services, [slice('a', '10.244.1.2', '10.244.2.2')], 'node-1'),
    '172.30.0.1',
  );
  assert.match(text, /10\.96\.1\.1 \. tcp \. 80 : goto svc_0/);
  assert.match(text, /numgen random mod 2 map \{ 0 : 10\.244\.1\.2 \. 8080, 1 : 10\.244\.2\.2 \. 8080 \}/);
  assert.match(text, /\{ 10\.96\.1\.2 \. tcp \. 80 \} jump refuse_now/);
  assert.match(text, /^table ip ambit_cluster_services\ndelete table ip ambit_cluster_services\n/);
});

test('internalTrafficPolicy Local keeps to the endpoints of the node', () => {
  const [route] = buildServiceTable(
    [service('a', '10.96.1.1', { internalTrafficPolicy: 'Local' })],
    [slice('a', '10.244.1.2', '10.244.2.2')],
    'node-2',
  );
  assert.deepEqual(route?.endpoints, [{ ip: '10.244.2.2', port: 8080 }]);
});

test('text that is no address never reaches the rules, and an address is given to one service only', () => {
  const evil = '10.0.0.1 } ; flush ruleset';
  const services = [
    service('a', '10.96.1.1', { externalIPs: [evil, '192.0.2.1'] }),
    service('b', '10.96.1.2', { externalIPs: ['192.0.2.1'] }),
  ];
  const text = buildNftRules(
    buildServiceTable(services, [slice('a', evil, '10.244.1.2'), slice('b', '10.244.1.3')], 'node-1'),
    '172.30.0.1',
  );
  assert.ok(!text.includes('flush'));
  assert.equal(text.split('192.0.2.1 . tcp').length, 2);
});
