import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flowOf } from './access-line.ts';
import { edgesBetween, type Reading, trafficMetrics } from './edges.ts';
import { samplesOf } from './samples.ts';
import { isWanted, rateGate } from './tap.ts';
import { rankedEdges } from './top.ts';

const connectionLine = [
  '2026-11-20T10:00:00.123456Z',
  'error',
  'access',
  'connection complete',
  'src.addr=10.0.0.1:4000 src.workload="curl-1" src.namespace="shop" src.identity="spiffe://c/ns/shop/sa/curl" dst.addr=10.0.0.2:15008 dst.hbone_addr=10.0.0.2:80 dst.service="web.shop.svc.cluster.local" dst.workload="web-1" dst.namespace="shop" dst.identity="spiffe://c/ns/shop/sa/web" direction="inbound" bytes_sent=10 bytes_recv=5 duration="13ms" error="connection closed due to policy rejection: explicitly denied by: shop/p"',
].join('\t');

const requestLine =
  '[2026-11-20T10:00:00.123Z] "GET /a?b HTTP/1.1" 503 UF upstream_reset - "-" 1 2 7 - "-" "curl/8" "id" "web:80" "envoy://connect_originate/10.0.0.2:80" inbound-vip|80|http|web.shop - 10.96.0.1:80 10.0.0.1:4000 - r';

test('a line of a node proxy is read, with who, what and why', () => {
  const flow = flowOf(connectionLine);
  assert.deepEqual(flow, {
    time: '2026-11-20T10:00:00.123456Z',
    direction: 'inbound',
    source: 'shop/curl-1',
    destination: 'shop/web-1',
    service: 'web.shop.svc.cluster.local',
    isMutualTls: true,
    bytes: 15,
    durationMs: 13,
    error: 'connection closed due to policy rejection: explicitly denied by: shop/p',
    method: '',
    path: '',
    status: 0,
    sourceAddress: '10.0.0.1:4000',
    destinationAddress: '10.0.0.2:15008',
    sourceIdentity: 'spiffe://c/ns/shop/sa/curl',
    destinationIdentity: 'spiffe://c/ns/shop/sa/web',
    authority: '10.0.0.2:80',
    connection: '',
    trace: '',
    reporter: '',
  });
});

test('a line of a waypoint is read, in both forms', () => {
  const flow = flowOf(requestLine);
  assert.ok(flow !== undefined);
  assert.deepEqual(
    [flow.method, flow.path, flow.status, flow.bytes, flow.durationMs, flow.error, flow.service, flow.source],
    ['GET', '/a?b', 503, 3, 7, 'UF', 'web:80', '10.0.0.1:4000'],
  );
  const json = flowOf(
    JSON.stringify({
      start_time: '2026-11-20T10:00:00.123Z',
      method: 'GET',
      path: '/a?b',
      response_code: 503,
      response_flags: 'UF',
      response_code_details: 'upstream_reset',
      bytes_received: 1,
      bytes_sent: 2,
      duration: 7,
      authority: 'web:80',
      upstream_host: 'envoy://connect_originate/10.0.0.2:80',
      downstream_remote_address: '10.0.0.1:4000',
      downstream_local_address: '10.96.0.1:80',
    }),
  );
  assert.deepEqual(json, flow);
});

test('no line, however broken, stops the tap', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat({ max: 400 }), (noise, cut) => {
      for (const line of [noise, connectionLine.slice(0, cut), requestLine.slice(0, cut), `{${noise}`, `[${noise}`])
        flowOf(line);
    }),
    { numRuns: 200 },
  );
  assert.equal(flowOf('2026-11-20T10:00:00Z\tinfo\txds\tconnected\ta=b'), undefined);
});

test('filters all have to hold, and a class of statuses is a filter too', () => {
  const [connection, request] = [flowOf(connectionLine), flowOf(requestLine)];
  assert.ok(connection !== undefined && request !== undefined);
  assert.ok(isWanted(connection, { denied: true, to: 'web', from: 'curl' }));
  assert.ok(!isWanted(connection, { denied: true, l7: true }));
  assert.ok(isWanted(request, { status: '5xx', path: '/a', method: 'get', error: true }));
  assert.ok(!isWanted(request, { status: '404' }));
});

test('more than asked for in a second is held back and counted', () => {
  let now = 0;
  const gate = rateGate(2, () => now);
  assert.deepEqual([gate.pass(), gate.pass(), gate.pass()], [true, true, false]);
  now = 1000;
  assert.ok(gate.pass());
  assert.equal(gate.held, 1);
});

const labels =
  'source_workload_namespace="shop",source_workload="curl",destination_service_namespace="shop",destination_service_name="web"';
const reading = (pod: string, lines: readonly string[]): Reading => ({
  pod,
  samples: samplesOf(lines.join('\n'), trafficMetrics),
});

test('what happened between two readings is told by edge; a restarted proxy counts from zero', () => {
  const opened = (count: number, tls: string): string =>
    `istio_tcp_connections_opened_total{reporter="source",${labels},connection_security_policy="${tls}"} ${count}`;
  const before = [reading('a', [opened(10, 'mutual_tls')]), reading('b', [opened(50, 'mutual_tls')])];
  const after = [
    reading('a', [
      opened(14, 'mutual_tls'),
      opened(1, 'unknown'),
      `istio_tcp_connections_opened_total{reporter="destination",${labels}} 99`,
      `istio_tcp_connections_failed_total{reporter="destination",${labels},response_flags="DENY"} 2`,
      `istio_requests_total{reporter="waypoint",${labels},response_code="503"} 3`,
    ]),
    reading('b', [opened(2, 'mutual_tls')]),
  ];
  assert.deepEqual(edgesBetween(before, after), [
    {
      namespace: 'shop',
      source: 'shop/curl',
      destination: 'shop/web',
      connections: 7,
      failed: 0,
      denied: 2,
      requests: 3,
      errors: 3,
      bytes: 0,
      plaintext: 1,
    },
  ]);
});

test('edges are ranked by what was asked for', () => {
  const edge = { namespace: 'a', source: 's', connections: 0, failed: 0, denied: 0, requests: 0, plaintext: 0 };
  const edges = [
    { ...edge, destination: 'calm', errors: 0, bytes: 9 },
    { ...edge, destination: 'bad', errors: 4, bytes: 1 },
  ];
  const first = (sort: 'errors' | 'bytes'): string | undefined => rankedEdges(edges, { sort })[0]?.destination;
  assert.deepEqual([first('errors'), first('bytes')], ['bad', 'calm']);
  assert.deepEqual(rankedEdges(edges, { sort: 'rate', namespace: 'other' }), []);
});

test('labels with quotes and commas are read as they are written', () => {
  const [sample] = samplesOf(String.raw`m{a="x,\"y\"",b=""} 4 123`, new Set(['m']));
  assert.deepEqual([sample?.labels.get('a'), sample?.labels.get('b'), sample?.value], ['x,"y"', '', 4]);
  assert.deepEqual(samplesOf('m{a="x\nm{a=}\nm 3\nother{} 1', new Set(['m'])), []);
});
