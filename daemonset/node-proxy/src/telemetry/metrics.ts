/**
 * Deltas of the data threads and events of the main thread in; the Prometheus registry out. Main thread.
 *
 * Made by `app.ts`. Names, labels and help texts are Istio's where they exist (spec/node-proxy.md 9.1); ours start with
 * `ambit_`.
 */
import { type Counter, createMetricsRegistry, type MetricsRegistry } from '@ambit/runtime/metrics';
import type { FromDataThread } from '../threads/messages.ts';
import type { LoopSample } from './event-loop.ts';
import { ON_DEMAND_DNS_LABELS } from './on-demand-dns.ts';
import { TRAFFIC_LABELS, type TrafficDelta } from './traffic-metrics.ts';

type Report = Extract<FromDataThread, { kind: 'metrics' }>;
type TrafficLabel = (typeof TRAFFIC_LABELS)[number];

/** The metrics of the process. */
export interface NodeProxyMetrics {
  readonly registry: MetricsRegistry;
  /** Adds what one data thread counted since its last report. */
  onReport(thread: number, report: Report): void;
  onXdsTermination(reason: string): void;
  onXdsResponse(typeUrl: string, bytes: number): void;
  podStarted(): void;
  podStopped(): void;
  setPods(active: number, pending: number): void;
  setMissingPolicies(count: number): void;
  /** Adds a sample of a thread's event loop; `thread` is `control` or a number. */
  onLoop(thread: string, sample: LoopSample): void;
}

const DNS_LABELS = [
  'request_query_type',
  'request_protocol',
  'source_canonical_service',
  'source_canonical_revision',
] as const;

/** Declares all metrics. `tag` is the label of `istio_build`. */
export function createNodeProxyMetrics(options: {
  readonly tag: string;
  readonly byteEngine: string;
}): NodeProxyMetrics {
  const registry = createMetricsRegistry({ processMetrics: true });
  registry
    .gauge({ name: 'istio_build', help: 'Istio component build info', labels: ['component', 'tag'] })
    .set({ component: 'ztunnel', tag: options.tag }, 1);
  registry
    .gauge({
      name: 'ambit_byte_engine',
      help: '1 for the engine that moves the bytes of tunnels',
      labels: ['engine'],
    })
    .set({ engine: options.byteEngine }, 1);
  const traffic = trafficCounters(registry);
  const sockets = registry.gauge({
    name: 'istio_tcp_sockets_open',
    help: 'The current number of open accepted data-plane TCP sockets (unstable)',
    labels: ['reporter'],
  });
  const dns = dnsMetrics(registry);
  const terminations = registry.counter({
    name: 'istio_xds_connection_terminations_total',
    help: 'The total number of completed connections to the xds server (unstable)',
    labels: ['reason'],
  });
  const messages = registry.counter({
    name: 'istio_xds_message_total',
    help: 'Total number of messages received (unstable)',
    labels: ['url'],
  });
  const messageBytes = registry.counter({
    name: 'istio_xds_message_bytes_total',
    help: 'Total number of bytes received (unstable)',
    labels: ['url'],
  });
  const active = registry.gauge({
    name: 'workload_manager_active_proxy_count',
    help: 'The total number of active proxy workloads (unstable)',
  });
  const pending = registry.gauge({
    name: 'workload_manager_pending_proxy_count',
    help: 'The total number of pending proxy workloads (unstable)',
  });
  const started = registry.counter({
    name: 'workload_manager_proxies_started_total',
    help: 'The total number of proxy workloads that were started (unstable)',
  });
  const stopped = registry.counter({
    name: 'workload_manager_proxies_stopped_total',
    help: 'The total number of proxy workloads that were stopped (unstable)',
  });
  const missing = registry.gauge({
    name: 'ambit_policy_missing',
    help: 'Policies that local workloads list and that are not known',
  });
  const missingDenied = registry.counter({
    name: 'ambit_policy_missing_denied_total',
    help: 'Connections denied because a listed policy is not known',
  });
  const onDemandDns = registry.counter({
    name: 'istio_on_demand_dns_total',
    help: 'The total number of requests that used on-demand DNS (unstable)',
    labels: ON_DEMAND_DNS_LABELS,
  });
  const revoked = registry.counter({
    name: 'istio_crl_policy_rejections_total',
    help: 'The total number of connections rejected because a certificate is revoked (unstable)',
    labels: ['reporter'],
  });
  const limited = registry.counter({
    name: 'ambit_hbone_limited_total',
    help: 'Times that a peer met a limit of the tunnel server: resets (its connection ended) or handshakes (one was refused)',
    labels: ['limit'],
  });
  const loops = loopMetrics(registry);
  const openByThread = new Map<number, Report['openSockets']>();
  return {
    registry,
    onReport(thread, report) {
      loops(String(thread), report.loop);
      for (const delta of report.traffic) addTraffic(traffic, delta);
      for (const delta of report.dns) dns.add(delta);
      openByThread.set(thread, report.openSockets);
      const open = [...openByThread.values()];
      sockets.set(
        { reporter: 'source' },
        open.reduce((sum, one) => sum + one.source, 0),
      );
      sockets.set(
        { reporter: 'destination' },
        open.reduce((sum, one) => sum + one.destination, 0),
      );
      if (report.deniedByMissingPolicy > 0) missingDenied.add({}, report.deniedByMissingPolicy);
      for (const { labels, count } of report.onDemandDns) {
        onDemandDns.add(labelled(ON_DEMAND_DNS_LABELS, labels), count);
      }
      for (const reporter of ['source', 'destination'] as const) {
        if (report.revoked[reporter] > 0) revoked.add({ reporter }, report.revoked[reporter]);
      }
      for (const limit of ['resets', 'handshakes'] as const) limited.add({ limit }, report.limited[limit]);
    },
    onXdsTermination: (reason) => terminations.add({ reason }),
    onXdsResponse(url, bytes) {
      messages.add({ url });
      messageBytes.add({ url }, bytes);
    },
    podStarted: () => started.add({}),
    podStopped: () => stopped.add({}),
    setPods(activeCount, pendingCount) {
      active.set({}, activeCount);
      pending.set({}, pendingCount);
    },
    setMissingPolicies: (count) => missing.set({}, count),
    onLoop: loops,
  };
}

interface TrafficCounters {
  readonly opened: Counter<TrafficLabel>;
  readonly closed: Counter<TrafficLabel>;
  readonly failed: Counter<TrafficLabel>;
  readonly received: Counter<TrafficLabel>;
  readonly sent: Counter<TrafficLabel>;
}

function trafficCounters(registry: MetricsRegistry): TrafficCounters {
  const declare = (name: string, help: string): Counter<TrafficLabel> =>
    registry.counter({ name, help, labels: TRAFFIC_LABELS });
  return {
    opened: declare('istio_tcp_connections_opened_total', 'The total number of TCP connections opened'),
    closed: declare('istio_tcp_connections_closed_total', 'The total number of TCP connections closed'),
    failed: declare('istio_tcp_connections_failed_total', 'The total number of TCP connections that failed (unstable)'),
    received: declare(
      'istio_tcp_received_bytes_total',
      'The size of total bytes received during request in case of a TCP connection',
    ),
    sent: declare(
      'istio_tcp_sent_bytes_total',
      'The size of total bytes sent during response in case of a TCP connection',
    ),
  };
}

function labelled<L extends string>(names: readonly L[], values: readonly string[]): Record<L, string> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? 'unknown'])) as Record<L, string>;
}

function addTraffic(counters: TrafficCounters, delta: TrafficDelta): void {
  const labels = labelled(TRAFFIC_LABELS, delta.labels);
  if (delta.opened > 0) counters.opened.add(labels, delta.opened);
  if (delta.closed > 0) counters.closed.add(labels, delta.closed);
  if (delta.failed > 0) counters.failed.add(labels, delta.failed);
  if (delta.received > 0) counters.received.add(labels, delta.received);
  if (delta.sent > 0) counters.sent.add(labels, delta.sent);
}

function dnsMetrics(registry: MetricsRegistry): { add(delta: Report['dns'][number]): void } {
  const declare = (name: string, help: string) => registry.counter({ name, help, labels: DNS_LABELS });
  const requests = declare('istio_dns_requests_total', 'Total number of DNS requests (unstable)');
  const upstream = declare(
    'istio_dns_upstream_requests_total',
    'Total number of DNS requests forwarded to upstream (unstable)',
  );
  const failures = declare(
    'istio_dns_upstream_failures_total',
    'Total number of DNS requests forwarded to upstream that failed (unstable)',
  );
  const duration = registry.histogram({
    name: 'istio_dns_upstream_request_duration_seconds',
    help: 'Total time in seconds Istio takes to get DNS response from upstream (unstable)',
    labels: DNS_LABELS,
    buckets: [0.0005, 0.001, 0.01, 0.1, 1, 5],
  });
  return {
    add(delta) {
      const labels = {
        request_query_type: delta.queryType,
        request_protocol: delta.protocol,
        source_canonical_service: delta.canonicalService,
        source_canonical_revision: delta.canonicalRevision,
      };
      requests.add(labels, delta.requests);
      upstream.add(labels, delta.upstreamRequests);
      failures.add(labels, delta.upstreamFailures);
      for (const seconds of delta.upstreamSeconds) duration.observe(labels, seconds);
    },
  };
}

function loopMetrics(registry: MetricsRegistry): (thread: string, sample: LoopSample) => void {
  const lag = registry.histogram({
    name: 'ambit_agent_eventloop_lag_seconds',
    help: 'The longest time by which the event loop of a thread was late, once a second',
    labels: ['thread'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  });
  const busy = registry.counter({
    name: 'ambit_agent_eventloop_busy_seconds_total',
    help: 'Time in which the event loop of a thread ran code',
    labels: ['thread'],
  });
  return (thread, sample) => {
    lag.observe({ thread }, sample.longestLagSeconds);
    busy.add({ thread }, sample.busySeconds);
  };
}
