// In: a cluster. Out: the traffic counters of every node proxy and waypoint, asked through the API server: no Prometheus is needed, the
// role needs create on pods/portforward. Called by top.ts and metrics.ts.
import { nodeProxies } from '../agent/choose.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { type Reading, trafficMetrics } from './edges.ts';
import { samplesOf } from './samples.ts';

const metricsPort = 15_020;
/** Both kinds of proxies serve it. */
const metricsPath = '/stats/prometheus';
const waypointSelector = 'gateway.istio.io/managed=istio.io-mesh-controller';

/** The pods that carry traffic: node proxies, waypoints and gateways. */
export async function proxyPods(
  api: OpenedCluster,
): Promise<readonly { readonly namespace: string; readonly name: string; readonly isWaypoint: boolean }[]> {
  const [proxies, waypoints] = await Promise.all([
    nodeProxies(api, api.istioNamespace),
    api.list(kinds.pod, { labelSelector: waypointSelector }),
  ]);
  return [
    ...proxies.map((pod) => ({ namespace: namespaceOf(pod), name: nameOf(pod), isWaypoint: false })),
    ...waypoints.map((pod) => ({ namespace: namespaceOf(pod), name: nameOf(pod), isWaypoint: true })),
  ];
}

/** Nobody counts traffic and nobody logs it. */
export const noProxies = (): CliError =>
  new CliError('ERR_CLI_NOT_FOUND', 'no node proxy and no waypoint is there', { hint: 'ambit check' });

/** What was read, and who did not answer. */
export interface Traffic {
  readonly readings: readonly Reading[];
  readonly silent: readonly string[];
}

/** Reads all counters. A proxy that does not answer is named, not fatal. */
export async function readTraffic(api: OpenedCluster): Promise<Traffic> {
  const pods = await proxyPods(api);
  if (pods.length === 0) throw noProxies();
  const answers = await Promise.all(
    pods.map(async ({ namespace, name }) => {
      const answer = await api
        .askPod({ namespace, name, port: metricsPort, path: metricsPath })
        .catch(() => ({ status: 0, body: '' }));
      return { pod: `${namespace}/${name}`, isHeard: answer.status === 200, body: answer.body };
    }),
  );
  return {
    readings: answers
      .filter(({ isHeard }) => isHeard)
      .map(({ pod, body }) => ({ pod, samples: samplesOf(body, trafficMetrics) })),
    silent: answers.filter(({ isHeard }) => !isHeard).map(({ pod }) => pod),
  };
}
