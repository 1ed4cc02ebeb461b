import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../controllers/objects.ts';
import { hostPortRoutes } from './host-ports.ts';
import { buildNftRules } from './nft-rules.ts';

const pod = (name: string, spec: Partial<Pod['spec']>, status: NonNullable<Pod['status']>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { nodeName: 'node-1', containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080 }] }], ...spec },
  status,
});
const addresses = { podIP: '10.244.1.7', hostIP: '172.30.0.1' };

test('a host port leads from the address of the node to the pod, on its node and while it runs', () => {
  const pods = [
    pod('here', {}, addresses),
    pod('elsewhere', { nodeName: 'node-2' }, addresses),
    pod('in the namespace of the node', { hostNetwork: true }, addresses),
    pod('without an address', {}, {}),
    pod('over', {}, { ...addresses, phase: 'Succeeded' }),
  ];
  const routes = hostPortRoutes(pods, 'node-1');
  assert.deepEqual(
    routes.map(({ service }) => service),
    ['pod default/here'],
  );
  const text = buildNftRules(routes, '172.30.0.1');
  assert.match(text, /172\.30\.0\.1 \. tcp \. 8080 : goto svc_0/);
  assert.match(text, /meta l4proto tcp dnat to 10\.244\.1\.7:80/);
});

test('text that is no address never reaches the rules', () => {
  const evil = { ...addresses, podIP: '10.0.0.1 } ; flush ruleset' };
  assert.deepEqual(hostPortRoutes([pod('evil', {}, evil)], 'node-1'), []);
});
