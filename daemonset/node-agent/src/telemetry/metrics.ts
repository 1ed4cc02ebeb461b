// In: a registry. Out: the agent's metrics. Names: spec node-agent 8.2; ours carry the prefix ambit_. Called by app.ts.
import type { MetricsRegistry } from '@ambit/runtime/metrics';

/** Creates the agent's metrics in a registry. */
export function createNodeAgentMetrics(registry: MetricsRegistry) {
  return {
    events: registry.counter({
      name: 'nodeagent_reconcile_events_total',
      help: 'Pod events processed, by type.',
      labels: ['type'],
    }),
    proxies: registry.gauge({ name: 'ztunnel_connected', help: 'Node proxies connected now.' }),
    enrolled: registry.gauge({ name: 'ambit_enrolled_pods', help: 'Pods of this node that are enrolled.' }),
    unprotected: registry.gauge({
      name: 'ambit_unprotected_connections',
      help: 'Connections of enrolled pods that were open before the enrolment and stay plaintext.',
    }),
  };
}

/** The agent's metrics. */
export type NodeAgentMetrics = ReturnType<typeof createNodeAgentMetrics>;
