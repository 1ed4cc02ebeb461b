import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStateStore } from '@ambit/state';
import { parseLocalState } from '../updates/local-file.ts';
import { TYPE_A, TYPE_AAAA, TYPE_CNAME } from './message.ts';
import { type DnsDecision, resolveHostname, resolveName } from './resolver.ts';

const { workloads, services } = parseLocalState(`
workloads:
- { name: web, namespace: shop, workloadIps: ["10.1.0.1"], services: {} }
- { name: db-0, namespace: shop, workloadIps: ["10.1.0.2", "fd00::2"], services: { "shop/db.shop.svc.cluster.local": { 5432: 5432 } } }
- { name: db-1, namespace: shop, status: Unhealthy, workloadIps: ["10.1.0.3"], services: { "shop/db.shop.svc.cluster.local": { 5432: 5432 } } }
services:
- { name: cart, namespace: shop, hostname: cart.shop.svc.cluster.local, vips: ["/10.96.0.20", "other/10.97.0.20"], ports: { 80: 80 } }
- { name: db, namespace: shop, hostname: db.shop.svc.cluster.local, vips: [], ports: { 5432: 5432 } }
- { name: wild, namespace: shop, hostname: "*.example.com", vips: ["/240.0.0.1"], ports: { 443: 443 } }
- { name: ext, namespace: shop, hostname: api.example.org, vips: ["/240.0.0.2"], ports: { 443: 443 } }
- { name: six, namespace: shop, hostname: six.shop.svc.cluster.local, vips: ["/fd00::6"], ipFamilies: IPv6, ports: { 80: 80 } }
- { name: deep, namespace: shop, hostname: "*.deep.example.com", vips: ["/240.0.0.9"], ports: { 443: 443 } }
- { name: bare, namespace: shop, hostname: bare.example.org, vips: [], ports: { 443: 443 } }
- { name: dual, namespace: shop, hostname: dual.shop.svc.cluster.local, vips: ["/10.96.0.40", "/fd00::40"], ipFamilies: Dual, ports: { 80: 80 } }
- { name: s1, namespace: a, hostname: same.example.com, vips: ["/240.0.1.1"], ports: { 80: 80 } }
- { name: s2, namespace: b, hostname: same.example.com, vips: ["/240.0.1.2"], ports: { 80: 80 } }
- { name: c1, namespace: a, hostname: canon.example.com, vips: ["/240.0.2.1"], ports: { 80: 80 } }
- { name: c2, namespace: b, hostname: canon.example.com, vips: ["/240.0.2.2"], ports: { 80: 80 } }
- { name: c3, namespace: c, hostname: canon.example.com, canonical: true, vips: ["/240.0.2.3"], ports: { 80: 80 } }
- { name: own, namespace: hidden, hostname: own.hidden.svc.cluster.local, visibility: Namespace, vips: ["/10.96.0.30"], ports: { 80: 80 } }
`);
const store = createStateStore();
store.apply({ workloads, services });
const snapshot = store.snapshot();
const client = workloads[0] ?? assert.fail();
const context = {
  client,
  clusterDomain: 'cluster.local',
  searchDomains: undefined,
  preferredNamespace: undefined,
  ipv6: true,
  random: () => 0.5,
};
const ask = (name: string, type: number = TYPE_A): DnsDecision => resolveName(snapshot, name, type, context);
const addresses = (decision: DnsDecision): string[] =>
  decision.kind === 'forward'
    ? ['forward']
    : decision.answers.map((answer) => (answer.type === TYPE_CNAME ? answer.target : [...answer.address].join('.')));

test('a service is found by its short, namespaced and full name, with the addresses of the client network', () => {
  for (const name of ['cart', 'cart.shop', 'cart.shop.svc', 'cart.shop.svc.cluster.local']) {
    assert.deepEqual(addresses(ask(name)), ['10.96.0.20'], name);
  }
});

test('names of nobody and other types are forwarded', () => {
  assert.equal(ask('nothing').kind, 'forward');
  assert.equal(ask('cart', 15).kind, 'forward');
  assert.equal(ask('own.hidden').kind, 'forward');
});

test('a headless service answers with its healthy endpoints', () => {
  assert.deepEqual(addresses(ask('db')), ['10.1.0.2']);
  assert.equal(addresses(ask('db', TYPE_AAAA)).length, 1);
});

test('a family that the service does not have is an empty answer, never forwarded', () => {
  assert.deepEqual(ask('six'), { kind: 'answer', answers: [], result: 'service does not support this record type' });
  assert.deepEqual(ask('cart', TYPE_AAAA), { kind: 'answer', answers: [], result: 'no records' });
});

test('a search domain behind a name becomes a CNAME, but not for a wildcard', () => {
  assert.deepEqual(addresses(ask('api.example.org.shop.svc.cluster.local')), ['api.example.org', '240.0.0.2']);
  assert.deepEqual(addresses(ask('a.b.example.com')), ['240.0.0.1']);
  assert.deepEqual(addresses(ask('x.example.com.svc.cluster.local')), ['240.0.0.1']);
});

test('pod names of a stateful set and headless services outside the cluster are forwarded', () => {
  assert.equal(ask('db-0.db.shop.svc.cluster.local').kind, 'forward');
  assert.equal(ask('bare.example.org').kind, 'forward');
});

test('a name with addresses of both families answers each with its own, and AAAA not at all without IPv6', () => {
  assert.deepEqual(addresses(ask('dual')), ['10.96.0.40']);
  assert.equal(addresses(ask('dual', TYPE_AAAA)).length, 1);
  const withoutIpv6 = resolveName(snapshot, 'dual', TYPE_AAAA, { ...context, ipv6: false });
  assert.deepEqual(withoutIpv6, { kind: 'answer', answers: [], result: 'service does not support this record type' });
});

test('of services with one name: the own namespace, then canonical, then preferred, then the first; hidden ones never', () => {
  const vipOf = (from: string, preferredNamespace?: string, name = 'same.example.com'): string[] =>
    addresses(
      resolveName(snapshot, name, TYPE_A, {
        ...context,
        client: { ...client, namespace: from },
        preferredNamespace,
      }),
    );
  assert.deepEqual(vipOf('b'), ['240.0.1.2']);
  assert.deepEqual(vipOf('elsewhere'), ['240.0.1.1']);
  assert.deepEqual(vipOf('elsewhere', 'b'), ['240.0.1.2']);
  assert.deepEqual(vipOf('a', 'b'), ['240.0.1.1']);
  assert.deepEqual(vipOf('elsewhere', 'b', 'canon.example.com'), ['240.0.2.3']);
  assert.deepEqual(vipOf('hidden', undefined, 'own.hidden'), ['10.96.0.30']);
});

test('of wildcards the most specific one wins', () => {
  assert.deepEqual(addresses(ask('x.deep.example.com')), ['240.0.0.9']);
  assert.deepEqual(addresses(ask('x.y.example.com')), ['240.0.0.1']);
});

test('the SOCKS5 listener gets one address of the wanted family', () => {
  assert.equal(resolveHostname(snapshot, 'cart.shop', 4, context), '10.96.0.20');
  assert.equal(resolveHostname(snapshot, 'cart.shop', 6, context), undefined);
});
