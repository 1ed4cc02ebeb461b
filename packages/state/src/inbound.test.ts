// Tables of spec/node-proxy.md 13.5.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { destinationService, findSource, resolveInbound } from './inbound.ts';
import type { InboundAuthority, InboundDecision } from './inbound.ts';
import type { Service } from './service.ts';
import { gatewayAt, gatewayOf, memberOf, testService, testStore, testWorkload } from './testing/index.ts';
import type { Workload } from './workload.ts';

const illegalPorts = new Set([15001, 15006, 15008]);
const at = (ip: string, port = 80): InboundAuthority => ({ kind: 'address', ip, port });
const named = (hostname: string, port = 80): InboundAuthority => ({ kind: 'hostname', hostname, port });

function line(decision: InboundDecision): string {
  if (decision.kind === 'reject') return `${decision.status} ${decision.message}`;
  const { target, proxyDestination } = decision;
  const proxy = proxyDestination === undefined ? '' : ` proxy ${proxyDestination.ip}:${proxyDestination.port}`;
  return `${target.ip}:${target.port}${proxy}`;
}

function resolve(
  own: Workload,
  authority: InboundAuthority,
  records: { readonly workloads?: readonly Workload[]; readonly services?: readonly Service[] } = {},
): string {
  const snapshot = testStore({
    workloads: [own, ...(records.workloads ?? [])],
    services: records.services ?? [],
  }).snapshot();
  return line(resolveInbound(snapshot, { own, authority, localIp: own.ips[0] ?? '', illegalPorts }));
}

const pod = testWorkload('pod', { ips: ['10.0.0.2'] });

test('an address authority must be the own address', () => {
  assert.equal(resolve(pod, at('10.0.0.2')), '10.0.0.2:80');
  assert.equal(resolve(pod, at('10.0.0.3')), '400 ip mismatch: 10.0.0.2 != 10.0.0.3');
});

test('a host name is translated by the own endpoint, then by the service', () => {
  const service = testService('cart');
  const { hostname } = service;
  const mapped = testWorkload('pod', { ips: ['10.0.0.2'], services: memberOf({ 80: 9090 }, service) });
  assert.equal(resolve(mapped, named(hostname), { services: [service] }), '10.0.0.2:9090');
  assert.equal(resolve(pod, named(hostname), { services: [service] }), '10.0.0.2:8080');
  assert.equal(
    resolve(pod, named(hostname, 81), { services: [service] }),
    `503 requested service ${hostname}:81 found, but cannot resolve port`,
  );
  assert.equal(resolve(pod, named('nobody')), '503 no service or workload for hostname: nobody');
});

test('ports of the proxy itself are refused', () => {
  assert.equal(resolve(pod, at('10.0.0.2', 15008)), '503 attempted recursive call to ourselves');
});

test('a waypoint accepts what it is the waypoint of, by pod address and by service address', () => {
  const waypointService = testService('waypoint', { vips: [{ network: '', ip: '10.96.0.50' }] });
  const waypoint = testWorkload('waypoint', { ips: ['10.0.0.50'], services: memberOf({}, waypointService) });
  for (const reference of [gatewayAt('10.0.0.50'), gatewayAt('10.96.0.50'), gatewayOf(waypointService)]) {
    const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }], waypoint: reference });
    const bound = testWorkload('bound', { ips: ['10.0.0.7'], waypoint: reference });
    const records = { workloads: [bound], services: [service, waypointService] };
    assert.equal(resolve(waypoint, at('10.96.0.1'), records), '10.0.0.50:80');
    assert.equal(resolve(waypoint, at('10.0.0.7'), records), '10.0.0.50:80');
    assert.match(resolve(pod, at('10.0.0.7'), { ...records, workloads: [bound, waypoint] }), /^400 /);
  }
  const unbound = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  assert.match(resolve(waypoint, at('10.96.0.1'), { services: [unbound, waypointService] }), /^400 /);
});

test('an application tunnel takes any destination, changes the port, and may want a PROXY header', () => {
  const sandwich = (protocol: 'NONE' | 'PROXY', port: number | undefined): Workload =>
    testWorkload('pod', { ips: ['10.0.0.2'], applicationTunnel: { protocol, port } });
  assert.equal(resolve(sandwich('NONE', 15088), at('10.96.0.9')), '10.0.0.2:15088');
  assert.equal(resolve(sandwich('PROXY', 15088), at('10.96.0.9')), '10.0.0.2:15088 proxy 10.96.0.9:80');
  assert.equal(resolve(sandwich('PROXY', undefined), at('10.96.0.9', 82)), '10.0.0.2:82 proxy 10.96.0.9:82');
  const vips = [
    { network: 'far', ip: '10.97.0.1' },
    { network: '', ip: 'fd96::1' },
    { network: '', ip: '10.96.0.1' },
  ];
  const service = testService('cart', { vips });
  assert.equal(
    resolve(sandwich('PROXY', 15088), named(service.hostname), { services: [service] }),
    '10.0.0.2:15088 proxy 10.96.0.1:80',
  );
  const blank = testService('cart');
  assert.match(
    resolve(sandwich('PROXY', 15088), named(blank.hostname), { services: [blank] }),
    /^503 .*has no IP addresses$/,
  );
});

test('the source is looked up by address unless the request came through another network', () => {
  const client = testWorkload('client', { ips: ['10.0.0.1'], network: 'near' });
  const own = testWorkload('pod', { ips: ['10.0.0.2'], network: 'near' });
  const snapshot = testStore({ workloads: [client, own] }).snapshot();
  assert.equal(findSource(snapshot, own, '10.0.0.1', undefined), client);
  assert.equal(findSource(snapshot, own, '10.0.0.1', 'NEAR'), client);
  assert.equal(findSource(snapshot, own, '10.0.0.1', 'far'), undefined);
});

test('the service label: by forwarded host, then by port', () => {
  const [one, two] = [testService('one', { ports: { 80: 1111 } }), testService('two', { ports: { 80: 2222 } })];
  const own = testWorkload('pod', { services: memberOf({ 80: 3333 }, two) });
  const label = (port: number, host?: string): string | undefined =>
    destinationService(own, [one, two], port, host)?.name;
  assert.deepEqual(
    [label(1111, two.hostname), label(1111), label(2222), label(3333), label(4444)],
    ['two', 'one', 'two', 'two', undefined],
  );
});
