// Series of the xDS server under upstream's names, labels and units (spec control-plane 9.3). In: what the server tells. Out: series. Main
// thread. Called by metrics.ts.
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL, WORKLOAD_TYPE_URL } from '@ambit/proto/type-urls';
import type { BoundHistogram, MetricsRegistry } from '@ambit/runtime/metrics';
import type { ClientInfo, ServerEvents } from '@ambit/xds/server';
import type { Convergence } from './convergence.ts';

/** Versions of proxies with a series of their own. */
const MAX_VERSIONS = 20;

/** Upstream's short names of types; our own types are counted under their message name. */
const SHORT_TYPES: Readonly<Record<string, string>> = {
  [ADDRESS_TYPE_URL]: 'wds',
  [WORKLOAD_TYPE_URL]: 'wds',
  [AUTHORIZATION_TYPE_URL]: 'wads',
};
const shortType = (typeUrl: string): string => SHORT_TYPES[typeUrl] ?? typeUrl.slice(typeUrl.lastIndexOf('.') + 1);

/** Registers the series. */
export function xdsEvents(registry: MetricsRegistry, convergence: Convergence): ServerEvents {
  const pushes = registry.counter({ name: 'pilot_xds_pushes', help: 'Responses sent.', labels: ['type'] });
  const rejects = registry.counter({ name: 'pilot_total_xds_rejects', help: 'Responses refused.', labels: ['type'] });
  const expired = registry.counter({
    name: 'pilot_xds_expired_nonce',
    help: 'Requests that answer to a response which is no longer the last one.',
    labels: ['type'],
  });
  const cut = registry
    .counter({ name: 'pilot_xds_write_timeout', help: 'Proxies that took nothing for so long that they were cut.' })
    .bind({});
  const failures = registry
    .counter({ name: 'pilot_total_xds_internal_errors', help: 'Streams that ended by a failure of the control plane.' })
    .bind({});
  const sizes = registry.histogram({
    name: 'pilot_xds_config_size_bytes',
    help: 'Size of responses.',
    labels: ['type'],
    buckets: [1, 1e4, 1e6, 4e6, 1e7, 4e7],
  });
  let largest = 0;
  registry.gauge({
    name: 'pilot_xds_recv_max',
    help: 'Largest request of a proxy so far, in bytes.',
    collect: () => largest,
  });
  const times = timesOf(registry);
  const count = clientCounter(registry);
  return {
    connected(client) {
      count(client, 1);
      convergence.connected(client);
    },
    disconnected: (client) => count(client, -1),
    sent(client, typeUrl, bytes) {
      convergence.sent(client);
      pushes.add({ type: shortType(typeUrl) });
      sizes.observe({ type: shortType(typeUrl) }, bytes);
    },
    nacked: (_client, typeUrl) => rejects.add({ type: shortType(typeUrl) }),
    stale: (_client, typeUrl) => expired.add({ type: shortType(typeUrl) }),
    sendTimedOut: () => cut.add(),
    failed: () => failures.add(),
    received(bytes) {
      if (bytes > largest) largest = bytes;
    },
    ...times,
  };
}

/** How long the stages of a push take. A clock that is set back must not make a sum smaller. */
function timesOf(registry: MetricsRegistry): Pick<ServerEvents, 'taken' | 'dequeued' | 'debounced'> {
  const seconds = (ms: number): number => Math.max(ms, 0) / 1000;
  const time = (name: string, help: string, buckets: readonly number[]): BoundHistogram =>
    registry.histogram({ name, help, buckets }).bind({});
  const pushTime = registry.histogram({
    name: 'pilot_xds_push_time',
    help: 'Seconds from the begin of a response until the transport has taken it.',
    labels: ['type'],
    buckets: [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30],
  });
  const sendTime = time(
    'pilot_xds_send_time',
    'Seconds until the transport has taken a response that is made.',
    [0.01, 0.1, 1, 3, 5, 10, 20, 30],
  );
  const queueTime = time(
    'pilot_proxy_queue_time',
    'Seconds that a proxy waits for its turn to be pushed to.',
    [0.1, 0.5, 1, 3, 5, 10, 20, 30],
  );
  const debounceTime = time(
    'pilot_debounce_time',
    'Seconds from the first change of a push until it goes to the proxies.',
    [0.01, 0.1, 0.5, 1, 3, 5, 10, 20, 30],
  );
  return {
    taken(_client, typeUrl, pushMs, sendMs) {
      pushTime.observe({ type: shortType(typeUrl) }, seconds(pushMs));
      sendTime.observe(seconds(sendMs));
    },
    dequeued: (_client, waitedMs) => queueTime.observe(seconds(waitedMs)),
    debounced: (waitedMs) => debounceTime.observe(seconds(waitedMs)),
  };
}

/** Connected proxies by version. */
function clientCounter(registry: MetricsRegistry): (client: ClientInfo, change: number) => void {
  const clients = registry.gauge({ name: 'pilot_xds', help: 'Connected proxies.', labels: ['version'] });
  const counts = new Map<string, number>();
  return ({ node }, change) => {
    const version = node.text('ISTIO_VERSION') ?? 'unknown';
    // A client may say any version: what is over the limit is counted together.
    const label = counts.has(version) || counts.size < MAX_VERSIONS ? version : 'other';
    const next = Math.max((counts.get(label) ?? 0) + change, 0);
    counts.set(label, next);
    clients.set({ version: label }, next);
  };
}
