import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNodeProxyMetrics } from './metrics.ts';
import { openMetricsText, plainText, wantsOpenMetrics } from './exposition.ts';
import { TRAFFIC_LABELS } from './traffic-metrics.ts';

test('OpenMetrics is what an element of the header names, whatever its parameters', () => {
  const table: readonly (readonly [string | undefined, boolean])[] = [
    [undefined, false],
    ['', false],
    ['*/*', false],
    ['text/plain;version=0.0.4', false],
    ['application/openmetrics-text', true],
    ['text/plain, Application/OpenMetrics-Text; version=1.0.0;q=0.2', true],
    ['application/openmetrics-texts', false],
  ];
  for (const [accept, expected] of table) assert.equal(wantsOpenMetrics(accept), expected, String(accept));
});

test('families without samples are left out, and OpenMetrics names counters without their suffix', async () => {
  const metrics = createNodeProxyMetrics({ tag: '1.30.0', byteEngine: 'http2' });
  metrics.onXdsTermination('Reconnect');
  const text = await metrics.registry.text();
  metrics.registry.close();
  const plain = plainText(text);
  assert.match(plain, /^# TYPE istio_xds_connection_terminations_total counter$/m);
  assert.doesNotMatch(plain, /istio_tcp_connections_opened/);
  const open = openMetricsText(text);
  assert.match(open, /^# HELP istio_xds_connection_terminations .*\(unstable\)\.$/m);
  assert.match(open, /^# TYPE istio_xds_connection_terminations counter$/m);
  assert.match(open, /^istio_xds_connection_terminations_total\{reason="Reconnect"\} 1$/m);
  assert.match(open, /^istio_build\{component="ztunnel",tag="1.30.0"\} 1$/m);
  assert.ok(open.endsWith('\n# EOF\n'));
  assert.ok(!open.includes('\n\n'));
});

/** Every family of the specification with its labels; a name that is missing here is our own. */
const SOURCE_LABELS = TRAFFIC_LABELS.filter((name) => name.startsWith('source_')).slice(0, 8);
const DNS_LABELS = ['request_query_type', 'request_protocol', 'source_canonical_service', 'source_canonical_revision'];
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  istio_build: ['component', 'tag'],
  istio_tcp_connections_opened_total: TRAFFIC_LABELS,
  istio_tcp_connections_closed_total: TRAFFIC_LABELS,
  istio_tcp_connections_failed_total: TRAFFIC_LABELS,
  istio_tcp_received_bytes_total: TRAFFIC_LABELS,
  istio_tcp_sent_bytes_total: TRAFFIC_LABELS,
  istio_tcp_sockets_open: ['reporter'],
  istio_on_demand_dns_total: [...SOURCE_LABELS, 'hostname'],
  istio_crl_policy_rejections_total: ['reporter'],
  istio_xds_connection_terminations_total: ['reason'],
  istio_xds_message_total: ['url'],
  istio_xds_message_bytes_total: ['url'],
  istio_dns_requests_total: DNS_LABELS,
  istio_dns_upstream_requests_total: DNS_LABELS,
  istio_dns_upstream_failures_total: DNS_LABELS,
  workload_manager_active_proxy_count: [],
  workload_manager_pending_proxy_count: [],
  workload_manager_proxies_started_total: [],
  workload_manager_proxies_stopped_total: [],
  process_open_fds: [],
  process_max_fds: [],
};

test('every metric of the specification is exposed with its labels in their order, and only stable ones do not say unstable', async () => {
  const metrics = createNodeProxyMetrics({ tag: 't', byteEngine: 'http2' });
  const one = { opened: 1, closed: 1, failed: 1, received: 1, sent: 1 };
  const dns = { requests: 1, upstreamRequests: 1, upstreamFailures: 1, upstreamSeconds: [0.01] };
  metrics.onReport(0, {
    kind: 'metrics',
    traffic: [{ labels: TRAFFIC_LABELS.map((name) => `v-${name}`), ...one }],
    dns: [{ queryType: 'a', protocol: 'udp', canonicalService: 's', canonicalRevision: 'r', ...dns }],
    openSockets: { source: 1, destination: 1 },
    deniedByMissingPolicy: 0,
    onDemandDns: [{ labels: [...SOURCE_LABELS, 'host.example'], count: 2 }],
    revoked: { source: 1, destination: 1 },
    limited: { resets: 1, handshakes: 0 },
    loop: { busySeconds: 0.5, longestLagSeconds: 0.02 },
  });
  metrics.onXdsResponse('url', 5);
  metrics.onXdsTermination('Error');
  metrics.setPods(1, 0);
  metrics.podStarted();
  metrics.podStopped();
  const text = plainText(await metrics.registry.text());
  metrics.registry.close();
  for (const [name, labels] of Object.entries(FAMILIES)) {
    const sample = text.split('\n').find((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    assert.ok(sample !== undefined, name);
    const shown = sample.includes('{')
      ? sample
          .slice(sample.indexOf('{') + 1, sample.indexOf('}'))
          .split(',')
          .map((pair) => pair.split('=')[0])
      : [];
    assert.deepEqual(shown, labels, name);
  }
  assert.match(text, /^ambit_hbone_limited_total\{limit="resets"\} 1$/m);
  assert.match(text, /^ambit_agent_eventloop_busy_seconds_total\{thread="0"\} 0.5$/m);
  assert.match(text, /^ambit_agent_eventloop_lag_seconds_bucket\{le="0.05",thread="0"\} 1$/m);
  assert.match(text, /^istio_dns_upstream_request_duration_seconds_bucket\{le="0.0005",/m);
  const stable = new Set(['istio_build']);
  for (const line of text.split('\n').filter((each) => each.startsWith('# HELP '))) {
    const name = line.split(' ')[2] ?? '';
    // Ours, and those of any Node.js process.
    if (/^(ambit|process|nodejs)_/.test(name)) continue;
    const isStable =
      stable.has(name) || (name.startsWith('istio_tcp_') && !name.includes('failed') && !name.includes('sockets'));
    assert.equal(line.includes('(unstable)'), !isStable, name);
  }
});
