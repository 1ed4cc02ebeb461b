// Table of spec/node-proxy.md 13.4.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { OutboundDecision } from './decision.ts';
import { isSelfCall, resolveOutbound } from './resolve.ts';
import type { Service } from './service.ts';
import { gatewayAt, gatewayOf, memberOf, testService, testStore, testWorkload } from './testing/index.ts';
import type { Workload } from './workload.ts';
import { identityOf } from './workload.ts';

const source = testWorkload('source', { ips: ['10.0.0.1', 'fd00::1'], waypoint: gatewayAt('10.0.0.99') });
const waypointWorkload = testWorkload('waypoint', { ips: ['10.0.0.50'] });
const waypointService = testService('waypoint', { vips: [{ network: '', ip: '10.96.0.50' }], ports: { 15008: 15008 } });
const viaWaypointPod = testWorkload('waypoint', {
  ips: ['10.0.0.50'],
  services: memberOf({ 15008: 15008 }, waypointService),
});

/** Resolves one connection from `source` in a mesh of the given records. */
function resolve(
  records: { readonly workloads?: readonly Workload[]; readonly services?: readonly Service[] },
  destination: string,
  port = 80,
  from: Workload = source,
  random: () => number = () => 0,
): OutboundDecision {
  const workloads = [source, ...(records.workloads ?? [])];
  const snapshot = testStore({ workloads, services: records.services ?? [] }).snapshot();
  const sourceIp = from.ips[0] ?? '';
  return resolveOutbound(snapshot, { source: from, sourceIp, destination: { ip: destination, port } }, random);
}

/** The decision as one line: kind, where to, authority. */
function line(decision: OutboundDecision): string {
  switch (decision.kind) {
    case 'reject':
      return `reject ${decision.message}`;
    case 'passthrough':
    case 'tcp':
      return `${decision.kind} ${targetText(decision.target)}`;
    case 'hbone':
      return `hbone ${decision.via} ${targetText(decision.target)} ${decision.authority}`;
    case 'double-hbone':
      return `double ${targetText(decision.target)} ${decision.authority}`;
    default:
      return decision satisfies never;
  }
}

function targetText(target: Extract<OutboundDecision, { kind: 'tcp' }>['target']): string {
  return target.kind === 'ip' ? `${target.ip}:${target.port}` : `${target.hostname}:${target.port}`;
}

test('an unknown destination passes through', () => {
  assert.equal(line(resolve({}, '8.8.8.8', 53)), 'passthrough 8.8.8.8:53');
});

test('a workload is reached by its protocol, whatever its node, and the waypoint of the source does not matter', () => {
  for (const node of ['node-1', 'node-2']) {
    for (const [protocol, expected] of [
      ['HBONE', 'hbone direct 10.0.0.2:15008 10.0.0.2:80'],
      ['TCP', 'tcp 10.0.0.2:80'],
    ] as const) {
      const workload = testWorkload('target', { ips: ['10.0.0.2'], protocol, node });
      const decision = resolve({ workloads: [workload] }, '10.0.0.2');
      assert.equal(line(decision), expected);
      if (decision.kind === 'hbone') assert.deepEqual(decision.expected, [identityOf(workload)]);
    }
  }
});

test('a service leads to an endpoint, its target port, and its names', () => {
  const service = testService('cart', {
    vips: [{ network: '', ip: '10.96.0.1' }],
    subjectAltNames: ['spiffe://td/ns/a/sa/b'],
  });
  const workload = testWorkload('cart', { ips: ['10.0.0.2'], services: memberOf({}, service) });
  const decision = resolve({ workloads: [workload], services: [service] }, '10.96.0.1');
  assert.equal(line(decision), 'hbone direct 10.0.0.2:15008 10.0.0.2:8080');
  assert.ok(decision.kind === 'hbone');
  assert.deepEqual(decision.expected, ['spiffe://td/ns/a/sa/b', identityOf(workload)]);
  assert.equal(decision.service, service);
});

test('the port of an endpoint comes before the port of its service', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  const workload = testWorkload('cart', { ips: ['10.0.0.2'], services: memberOf({ 80: 9090 }, service) });
  assert.equal(
    line(resolve({ workloads: [workload], services: [service] }, '10.96.0.1')),
    'hbone direct 10.0.0.2:15008 10.0.0.2:9090',
  );
});

test('a named target port selects only endpoints that map it', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }], ports: { 80: 0 } });
  const without = testWorkload('without', { ips: ['10.0.0.2'], services: memberOf({}, service) });
  const mapped = testWorkload('mapped', { ips: ['10.0.0.3'], services: memberOf({ 80: 7070 }, service) });
  for (const random of [0, 0.999]) {
    const decision = resolve(
      { workloads: [without, mapped], services: [service] },
      '10.96.0.1',
      80,
      source,
      () => random,
    );
    assert.equal(line(decision), 'hbone direct 10.0.0.3:15008 10.0.0.3:7070');
  }
});

test('a service without a usable endpoint, or without the port, is refused', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  const endpoints = [
    testWorkload('sick', { ips: ['10.0.0.2'], services: memberOf({}, service), healthy: false }),
    testWorkload('idle', { ips: ['10.0.0.3'], services: memberOf({}, service), capacity: 0 }),
    testWorkload('blank', { services: memberOf({}, service) }),
  ];
  for (const workloads of [[], endpoints]) {
    assert.equal(
      line(resolve({ workloads, services: [service] }, '10.96.0.1')),
      'reject no healthy upstream: 10.96.0.1:80',
    );
  }
  const well = testWorkload('well', { ips: ['10.0.0.4'], services: memberOf({}, service) });
  assert.equal(
    line(resolve({ workloads: [well], services: [service] }, '10.96.0.1', 81)),
    'reject no healthy upstream: 10.96.0.1:81',
  );
});

test('an unhealthy endpoint is used where the service publishes what is not ready', () => {
  const loadBalancer = { mode: 'STANDARD', routingPreferences: [], healthPolicy: 'ALLOW_ALL' } as const;
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }], loadBalancer });
  const sick = testWorkload('sick', { ips: ['10.0.0.2'], services: memberOf({}, service), healthy: false });
  assert.equal(
    line(resolve({ workloads: [sick], services: [service] }, '10.96.0.1')),
    'hbone direct 10.0.0.2:15008 10.0.0.2:8080',
  );
});

test('a host-network pod is found through its service and not by its address', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  const pod = testWorkload('host', {
    ips: ['172.30.0.1'],
    hostNetwork: true,
    protocol: 'TCP',
    services: memberOf({}, service),
  });
  assert.equal(line(resolve({ workloads: [pod], services: [service] }, '10.96.0.1')), 'tcp 172.30.0.1:8080');
  assert.equal(line(resolve({ workloads: [pod], services: [service] }, '172.30.0.1')), 'passthrough 172.30.0.1:80');
});

test('traffic to a workload goes through its waypoint, named by address or by service', () => {
  for (const waypoint of [gatewayAt('10.0.0.50'), gatewayAt('10.96.0.50'), gatewayOf(waypointService)]) {
    const workload = testWorkload('target', { ips: ['10.0.0.2'], waypoint });
    const decision = resolve({ workloads: [workload, viaWaypointPod], services: [waypointService] }, '10.0.0.2');
    assert.equal(line(decision), 'hbone workload-waypoint 10.0.0.50:15008 10.0.0.2:80');
    assert.ok(decision.kind === 'hbone');
    assert.deepEqual(decision.expected, [identityOf(viaWaypointPod)]);
  }
});

test('traffic from the waypoint goes on directly, and only when it owns the client address', () => {
  for (const waypoint of [gatewayAt('10.0.0.50'), gatewayAt('10.96.0.50'), gatewayOf(waypointService)]) {
    const workload = testWorkload('target', { ips: ['10.0.0.2'], waypoint });
    const records = { workloads: [workload, viaWaypointPod], services: [waypointService] };
    assert.equal(line(resolve(records, '10.0.0.2', 80, viaWaypointPod)), 'hbone direct 10.0.0.2:15008 10.0.0.2:80');
    const sameIdentity = testWorkload('double', { ips: ['10.0.0.60'], serviceAccount: 'waypoint' });
    assert.equal(
      line(resolve(records, '10.0.0.2', 80, sameIdentity)),
      'hbone workload-waypoint 10.0.0.50:15008 10.0.0.2:80',
    );
  }
});

test('traffic to a service goes through the waypoint of the service with the service address as authority', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }], waypoint: gatewayAt('10.0.0.50') });
  const workload = testWorkload('cart', { ips: ['10.0.0.2'], services: memberOf({}, service) });
  const records = { workloads: [workload, waypointWorkload], services: [service] };
  assert.equal(line(resolve(records, '10.96.0.1')), 'hbone service-waypoint 10.0.0.50:15008 10.96.0.1:80');
  assert.equal(
    line(resolve(records, '10.96.0.1', 80, waypointWorkload)),
    'hbone service-waypoint 10.0.0.50:15008 10.96.0.1:80',
  );
  assert.equal(line(resolve(records, '10.0.0.2')), 'hbone direct 10.0.0.2:15008 10.0.0.2:80');
});

test('traffic to a service does not use the waypoints of its workloads', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }] });
  const workload = testWorkload('cart', {
    ips: ['10.0.0.2'],
    services: memberOf({}, service),
    waypoint: gatewayAt('10.0.0.50'),
  });
  const records = { workloads: [workload, waypointWorkload], services: [service] };
  assert.equal(line(resolve(records, '10.96.0.1')), 'hbone direct 10.0.0.2:15008 10.0.0.2:8080');
});

test('an IPv6 destination keeps its authority behind an IPv4 waypoint', () => {
  const workload = testWorkload('target', { ips: ['10.0.0.2', 'fd00::2'], waypoint: gatewayAt('10.0.0.50') });
  const decision = resolve({ workloads: [workload, waypointWorkload] }, 'fd00::2');
  assert.equal(line(decision), 'hbone workload-waypoint 10.0.0.50:15008 [fd00::2]:80');
});

test('a waypoint named by service follows the family of the application', () => {
  const dual = testWorkload('waypoint', {
    ips: ['10.0.0.50', 'fd00::50'],
    services: memberOf({ 15008: 15008 }, waypointService),
  });
  const workload = testWorkload('target', { ips: ['fd00::2'], waypoint: gatewayOf(waypointService) });
  const decision = resolve({ workloads: [workload, dual], services: [waypointService] }, 'fd00::2');
  assert.equal(line(decision), 'hbone workload-waypoint fd00::50:15008 [fd00::2]:80');
});

test('an unknown waypoint refuses the connection', () => {
  const service = testService('cart', {
    vips: [{ network: '', ip: '10.96.0.1' }],
    waypoint: gatewayOf(waypointService),
  });
  const workload = testWorkload('target', { ips: ['10.0.0.2'], waypoint: gatewayAt('10.0.0.77') });
  const records = { workloads: [workload], services: [service, waypointService] };
  const missing = 'default/waypoint.default.svc.cluster.local:15008';
  assert.equal(line(resolve(records, '10.96.0.1')), `reject unknown waypoint: waypoint ${missing} not found`);
  assert.equal(line(resolve(records, '10.0.0.2')), 'reject unknown waypoint: waypoint /10.0.0.77:15008 not found');
});

test('weighted waypoints are chosen by weight; without weight the single one counts', () => {
  const other = testWorkload('other', { ips: ['10.0.0.51'] });
  const weighted = (first: number, second: number): Service =>
    testService('cart', {
      vips: [{ network: '', ip: '10.96.0.1' }],
      waypoint: gatewayAt('10.0.0.51'),
      weightedWaypoints: [
        { destination: gatewayAt('10.0.0.50'), weight: first },
        { destination: gatewayAt('10.0.0.51'), weight: second },
      ],
    });
  const hop = (service: Service, random: number): string =>
    line(resolve({ workloads: [waypointWorkload, other], services: [service] }, '10.96.0.1', 80, source, () => random));
  assert.match(hop(weighted(1, 3), 0.2), /10\.0\.0\.50:15008/);
  assert.match(hop(weighted(1, 3), 0.3), /10\.0\.0\.51:15008/);
  assert.match(hop(weighted(0, 1), 0), /10\.0\.0\.51:15008/);
  assert.match(hop(weighted(0, 0), 0), /10\.0\.0\.51:15008/);
});

test('a passthrough service goes to the original address, unless it has a waypoint', () => {
  const loadBalancer = { mode: 'PASSTHROUGH', routingPreferences: [], healthPolicy: 'ONLY_HEALTHY' } as const;
  const vips = [{ network: '', ip: '10.96.0.1' }];
  const plain = testService('ext', { vips, loadBalancer });
  assert.equal(line(resolve({ services: [plain] }, '10.96.0.1')), 'passthrough 10.96.0.1:80');
  const bound = testService('ext', { vips, loadBalancer, waypoint: gatewayAt('10.0.0.50') });
  const records = { workloads: [waypointWorkload], services: [bound] };
  assert.equal(line(resolve(records, '10.96.0.1')), 'hbone service-waypoint 10.0.0.50:15008 10.96.0.1:80');
});

test('the family of the request is kept where the service allows it', () => {
  const vips = [
    { network: '', ip: '10.96.0.1' },
    { network: '', ip: 'fd96::1' },
  ];
  const cases = [
    [undefined, '10.96.0.1', '10.0.0.2'],
    [undefined, 'fd96::1', 'fd00::2'],
    ['DUAL', 'fd96::1', 'fd00::2'],
    ['IPV4', 'fd96::1', '10.0.0.2'],
    ['IPV6', '10.96.0.1', 'fd00::2'],
  ] as const;
  for (const [ipFamilies, destination, chosen] of cases) {
    const service = testService('cart', { vips, ipFamilies });
    const workload = testWorkload('cart', {
      ips: ['10.0.0.2', 'fd00::2'],
      protocol: 'TCP',
      services: memberOf({}, service),
    });
    assert.equal(line(resolve({ workloads: [workload], services: [service] }, destination)), `tcp ${chosen}:8080`);
  }
});

test('a workload with a host name only is left to the resolver', () => {
  const service = testService('ext', { vips: [{ network: '', ip: '240.240.0.1' }] });
  const workload = testWorkload('ext', { hostname: 'api.example', protocol: 'TCP', services: memberOf({}, service) });
  const decision = resolve({ workloads: [workload], services: [service] }, '240.240.0.1');
  assert.equal(line(decision), 'tcp api.example:8080');
  const tunnel = { workloads: [{ ...workload, protocol: 'HBONE' as const }], services: [service] };
  assert.equal(line(resolve(tunnel, '240.240.0.1')), 'hbone direct api.example:15008 undefined');
});

test('an endpoint in another network is reached through its gateway, by address or by service', () => {
  const gatewayService = testService('eastwest', {
    vips: [{ network: '', ip: '10.96.0.60' }],
    ports: { 15008: 15008 },
  });
  const gateway = testWorkload('eastwest', { ips: ['10.0.0.60'], services: memberOf({}, gatewayService) });
  const service = testService('cart', {
    vips: [{ network: '', ip: '10.96.0.1' }],
    subjectAltNames: ['spiffe://td/ns/a/sa/b'],
  });
  for (const networkGateway of [gatewayAt('10.0.0.60'), gatewayOf(gatewayService)]) {
    const remote = testWorkload('remote', { network: 'far', networkGateway, services: memberOf({}, service) });
    const decision = resolve({ workloads: [remote, gateway], services: [service, gatewayService] }, '10.96.0.1');
    assert.equal(line(decision), 'double 10.0.0.60:15008 cart.default.svc.cluster.local:80');
    assert.ok(decision.kind === 'double-hbone');
    assert.deepEqual(decision.outerExpected, [identityOf(gateway)]);
    assert.deepEqual(decision.innerExpected, ['spiffe://td/ns/a/sa/b']);
  }
  const withoutGateway = testWorkload('remote', { network: 'far', ips: ['10.9.0.1'], services: memberOf({}, service) });
  assert.match(
    line(resolve({ workloads: [withoutGateway], services: [service] }, '10.96.0.1')),
    /^reject no valid routing destination for workload: /,
  );
  const unknown = testWorkload('remote', {
    network: 'far',
    networkGateway: gatewayAt('10.0.0.61'),
    services: memberOf({}, service),
  });
  assert.equal(
    line(resolve({ workloads: [unknown], services: [service] }, '10.96.0.1')),
    'reject unknown network gateway: /10.0.0.61:15008',
  );
});

test('a waypoint in another network is reached through the gateway of that network', () => {
  const gateway = testWorkload('eastwest', { ips: ['10.0.0.60'] });
  const sans = ['spiffe://cluster.local/ns/default/sa/waypoint'];
  const farWaypoint = testService('waypoint', { ports: { 15008: 15008 }, subjectAltNames: sans });
  const pod = testWorkload('waypoint', {
    network: 'far',
    networkGateway: gatewayAt('10.0.0.60'),
    services: memberOf({ 15008: 15008 }, farWaypoint),
  });
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }], waypoint: gatewayOf(farWaypoint) });
  const waypointOnly = resolveGatewayCase([gateway, pod], [service, farWaypoint]);
  assert.equal(line(waypointOnly), 'double 10.0.0.60:15008 cart.default.svc.cluster.local:80');
  assert.ok(waypointOnly.kind === 'double-hbone');
  assert.deepEqual(waypointOnly.innerExpected, sans);
});

function resolveGatewayCase(workloads: readonly Workload[], services: readonly Service[]): OutboundDecision {
  return resolve({ workloads, services }, '10.96.0.1');
}

test('failover prefers the own network and crosses when nothing there is healthy', () => {
  const loadBalancer = { mode: 'FAILOVER', routingPreferences: ['NETWORK'], healthPolicy: 'ONLY_HEALTHY' } as const;
  const service = testService('cart', { vips: [{ network: '', ip: '10.96.0.1' }], loadBalancer });
  const gateway = testWorkload('eastwest', { ips: ['10.0.0.60'] });
  const remote = testWorkload('remote', {
    network: 'far',
    networkGateway: gatewayAt('10.0.0.60'),
    services: memberOf({}, service),
  });
  const local = testWorkload('local', { ips: ['10.0.0.2'], services: memberOf({}, service) });
  const records = (healthy: boolean): Parameters<typeof resolve>[0] => ({
    workloads: [gateway, remote, { ...local, healthy }],
    services: [service],
  });
  assert.equal(
    line(resolve(records(true), '10.96.0.1', 80, source, () => 0.99)),
    'hbone direct 10.0.0.2:15008 10.0.0.2:8080',
  );
  assert.equal(line(resolve(records(false), '10.96.0.1')), 'double 10.0.0.60:15008 cart.default.svc.cluster.local:80');
});

test('an address that is both a workload and a service address is no service for waypoints but is load-balanced as one', () => {
  const service = testService('cart', { vips: [{ network: '', ip: '10.0.0.2' }], waypoint: gatewayAt('10.0.0.50') });
  const holder = testWorkload('holder', { ips: ['10.0.0.2'] });
  const endpoint = testWorkload('endpoint', { ips: ['10.0.0.3'], services: memberOf({}, service) });
  const records = { workloads: [holder, endpoint, waypointWorkload], services: [service] };
  assert.equal(line(resolve(records, '10.0.0.2')), 'hbone direct 10.0.0.3:15008 10.0.0.3:8080');
});

test('a call to a port of the proxy on loopback is a self call', () => {
  const ports = new Set([15001, 15006, 15008]);
  assert.equal(isSelfCall({ ip: '127.0.0.1', port: 15001 }, ports), true);
  assert.equal(isSelfCall({ ip: '::1', port: 15008 }, ports), true);
  assert.equal(isSelfCall({ ip: '127.0.0.1', port: 80 }, ports), false);
  assert.equal(isSelfCall({ ip: '10.0.0.1', port: 15008 }, ports), false);
});
