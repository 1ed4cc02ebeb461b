import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '@ambit/runtime/log';
import { createFlowBuffer } from '@ambit/xds/flow-buffer';
import { type ConnectionFacts, earlyDenial, openRecord } from './connection-record.ts';
import { NodeProxyError, responseFlagOf } from './response-flags.ts';
import { TRAFFIC_LABELS, TrafficMetrics } from './traffic-metrics.ts';

const facts: ConnectionFacts = {
  reporter: 'source',
  sourceAddress: '10.1.0.5:40222',
  destinationAddress: '10.1.0.11:15008',
  hboneAuthority: '10.1.0.11:8080',
  service: { hostname: 'cart.shop.svc.cluster.local', namespace: 'shop', name: 'cart' },
  source: {
    workload: 'web',
    instance: 'web-1',
    namespace: 'shop',
    principal: 'spiffe://td/ns/shop/sa/web',
    cluster: 'k',
  },
  destination: { workload: 'cart', instance: 'cart-1', namespace: 'shop', principal: 'spiffe://td/ns/shop/sa/cart' },
  mutualTls: true,
};

function setUp() {
  const lines: string[] = [];
  const log = createLogger({
    level: 'info',
    format: 'plain',
    scope: 'access',
    now: () => 0,
    write: (line) => lines.push(line),
  });
  const metrics = new TrafficMetrics();
  return { lines, metrics, sink: { log, metrics, flows: createFlowBuffer() } };
}

test('a finished connection writes one line with the fields of ztunnel in their order, and counts once', () => {
  const { lines, metrics, sink } = setUp();
  let now = 0;
  const record = openRecord(sink, facts, () => now);
  record.bytes(11, 22);
  now = 12;
  record.complete();
  record.complete(new Error('later'));
  assert.deepEqual(lines, [
    '1970-01-01T00:00:00.000000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.1.0.5:40222 src.workload="web-1" ' +
      'src.namespace="shop" src.identity="spiffe://td/ns/shop/sa/web" src.cluster="k" dst.addr=10.1.0.11:15008 ' +
      'dst.hbone_addr=10.1.0.11:8080 dst.service="cart.shop.svc.cluster.local" dst.workload="cart-1" dst.namespace="shop" ' +
      'dst.identity="spiffe://td/ns/shop/sa/cart" direction="outbound" bytes_sent=11 bytes_recv=22 duration="12ms"',
  ]);
  const [delta, ...others] = metrics.take();
  assert.deepEqual(others, []);
  assert.ok(delta !== undefined);
  assert.deepEqual({ ...delta, labels: [] }, { labels: [], opened: 1, closed: 1, failed: 0, received: 11, sent: 22 });
  assert.equal(delta.labels[TRAFFIC_LABELS.indexOf('connection_security_policy')], 'mutual_tls');
  assert.equal(delta.labels[TRAFFIC_LABELS.indexOf('source_app')], 'unknown');
  assert.deepEqual(metrics.take(), []);
});

test('a denied connection is an error line with flag DENY, seen from the destination bytes are turned round', () => {
  const { lines, metrics, sink } = setUp();
  const record = openRecord(sink, { ...facts, reporter: 'destination' }, () => 0);
  record.bytes(11, 22);
  record.complete(
    new NodeProxyError('ERR_NODE_PROXY_DENIED', 'connection closed due to policy rejection: explicitly denied by: a/b'),
  );
  assert.match(
    lines[0] ?? '',
    /\terror\taccess\t.*direction="inbound" bytes_sent=22 bytes_recv=11 duration="0ms" error="connection closed/,
  );
  const flagged = metrics.take().find(({ failed }) => failed === 1);
  assert.equal(flagged?.labels[TRAFFIC_LABELS.indexOf('response_flags')], 'DENY');
});

test('an early denial is one warn line and no metric', () => {
  const { lines, metrics, sink } = setUp();
  earlyDenial(sink, {
    sourceAddress: '1.1.1.1:1',
    destinationAddress: '2.2.2.2:2',
    direction: 'outbound',
    error: new Error('why'),
  });
  assert.match(
    lines[0] ?? '',
    /\twarn\taccess\tconnection failed\tsrc.addr=1.1.1.1:1 dst.addr=2.2.2.2:2 direction="outbound" error="why"/,
  );
  assert.deepEqual(metrics.take(), []);
});

test('flags follow the code, also of a cause, and CONNECT is the rest', () => {
  const coded = (code: string) => Object.assign(new Error('x'), { code });
  assert.equal(responseFlagOf(undefined), '-');
  assert.equal(responseFlagOf(new Error('x')), 'CONNECT');
  assert.equal(responseFlagOf(coded('ERR_HBONE_CONNECT_TIMEOUT')), 'NETWORK_POLICY');
  assert.equal(responseFlagOf(coded('ERR_HBONE_STATUS')), 'CONNECT');
  assert.equal(responseFlagOf(new Error('outer', { cause: coded('ERR_NODE_PROXY_IDENTITY') })), 'IDENTITY_ERROR');
});

test('a connection that ends while somebody watches is told with both ends and without anything of its payload', () => {
  const { sink } = setUp();
  sink.flows.setLimit(10);
  const id = 'a'.repeat(32);
  const record = openRecord(sink, { ...facts, traceparent: `00-${id}-${'b'.repeat(16)}-00` }, () => 0);
  record.bytes(11, 22);
  record.complete(new NodeProxyError('ERR_NODE_PROXY_DENIED', 'connection closed due to policy rejection: no'));
  earlyDenial(sink, { sourceAddress: 'a', destinationAddress: 'b', direction: 'inbound', error: new Error('no') });
  const [flow, early] = sink.flows.take()?.flows ?? [];
  assert.deepEqual(
    [flow?.direction, flow?.source.workload, flow?.destination.namespace, flow?.service, flow?.responseFlags],
    ['outbound', 'web', 'shop', 'cart.shop.svc.cluster.local', 'DENY'],
  );
  assert.equal(flow?.connectionId, id);
  assert.equal(flow.authority, '10.1.0.11:8080');
  assert.deepEqual([flow.bytesSent, flow.bytesReceived, flow.mutualTls], [11, 22, true]);
  assert.deepEqual([early?.source.address, early?.direction], ['a', 'inbound']);
});
