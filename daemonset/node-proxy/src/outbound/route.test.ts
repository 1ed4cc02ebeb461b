import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import { parseLocalState } from '../updates/local-file.ts';
import { routeOutbound, targetText } from './route.ts';

const { workloads, services } = parseLocalState(`
workloads:
- { name: web, namespace: shop, serviceAccount: web, workloadIps: ["10.1.0.1"], protocol: HBONE, services: {} }
- { name: cart-1, namespace: shop, serviceAccount: cart, workloadIps: ["10.1.0.11"], protocol: HBONE, services: { "shop/cart.shop": { 80: 8080 } } }
- { name: old, namespace: shop, workloadIps: ["10.1.0.12"], protocol: TCP, services: {} }
- { name: wp, namespace: shop, serviceAccount: waypoint, workloadIps: ["10.1.0.99"], protocol: HBONE, services: {} }
services:
- { name: cart, namespace: shop, hostname: cart.shop, vips: ["/10.96.0.20"], ports: { 80: 8080 } }
- { name: l7, namespace: shop, hostname: l7.shop, vips: ["/10.96.0.30"], ports: { 80: 80 }, waypoint: { destination: "/10.1.0.99", hboneMtlsPort: 15008 } }
- { name: empty, namespace: shop, hostname: empty.shop, vips: ["/10.96.0.40"], ports: { 80: 80 } }
`);
const store = createStateStore();
store.apply({ workloads, services });
const source = workloads[0] ?? assert.fail();
const route = (ip: string, port: number) =>
  routeOutbound({
    snapshot: store.snapshot(),
    source,
    sourceIp: '10.1.0.1',
    destination: { ip, port },
    illegalPorts: new Set([15001, 15006, 15008]),
    random: () => 0,
  });

test('a service in the mesh is reached through a tunnel to its endpoint', () => {
  const request = route('10.96.0.20', 80);
  assert.ok(request.kind === 'hbone');
  assert.equal(targetText(request.target), '10.1.0.11:15008');
  assert.equal(request.authority, '10.1.0.11:8080');
  assert.deepEqual(request.expected, ['spiffe://cluster.local/ns/shop/sa/cart']);
  assert.equal(request.facts.service?.name, 'cart');
  assert.equal(request.facts.mutualTls, true);
});

test('a service with a waypoint keeps its address in the authority', () => {
  const request = route('10.96.0.30', 80);
  assert.ok(request.kind === 'hbone');
  assert.equal(targetText(request.target), '10.1.0.99:15008');
  assert.equal(request.authority, '10.96.0.30:80');
  assert.equal(request.facts.destination?.instance, 'wp');
});

test('plaintext workloads and unknown addresses are dialled as they are', () => {
  const known = route('10.1.0.12', 9000);
  assert.ok(known.kind === 'tcp');
  assert.equal(targetText(known.target), '10.1.0.12:9000');
  assert.equal(known.facts.destination?.instance, 'old');
  const unknown = route('203.0.113.9', 443);
  assert.ok(unknown.kind === 'tcp');
  assert.equal(unknown.facts.destination, undefined);
});

test('a service without endpoints and a call to the proxy itself are refused', () => {
  const empty = route('10.96.0.40', 80);
  assert.ok(empty.kind === 'reject');
  assert.equal(empty.error.message, 'no healthy upstream: 10.96.0.40:80');
  const self = route('127.0.0.1', 15001);
  assert.ok(self.kind === 'reject');
  assert.equal(self.error.message, 'attempted recursive call to ourselves');
});
