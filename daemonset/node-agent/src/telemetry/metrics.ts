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
    unprotectedPods: registry.gauge({
      name: 'ambit_unprotected_pods',
      help: 'Pods of this node that belong in the mesh and are not captured: what they send may be plaintext.',
    }),
    repairs: registry.counter({
      name: 'ambit_rule_repairs_total',
      help: 'Times that rules changed by others were put back, by place.',
      labels: ['place'],
    }),
    conditions: registry.gauge({
      name: 'ambit_node_agent_condition',
      help: '1 where the condition holds: proxy (a node proxy is connected), adopted (enrolled pods are known), rules (the last check ended).',
      labels: ['condition'],
    }),
    podsRepaired: registry.counter({
      name: 'istio_cni_repair_pods_repaired_total',
      help: 'Pods that started before their sidecar redirection, by what was done and its result.',
      labels: ['type', 'result'],
    }),
    installs: registry.counter({
      name: 'istio_cni_installs_total',
      help: 'Attempts to install the CNI plugin, by result.',
      labels: ['result'],
    }),
    installReady: registry.gauge({
      name: 'istio_cni_install_ready',
      help: "1 when the CNI plugin is in the node's chain.",
    }),
    plugin: registry.counter({
      name: 'istio_cni_plugin_requests_total',
      help: 'Requests of the CNI plugin, by status of the answer.',
      labels: ['response_code'],
    }),
    resets: registry.counter({
      name: 'ambit_unprotected_connections_reset_total',
      help: 'Unprotected connections that were reset because a policy denies them.',
    }),
    unprotected: registry.gauge({
      name: 'ambit_unprotected_connections',
      help: 'Connections of enrolled pods that were open before the enrolment and stay plaintext.',
    }),
  };
}

/** The agent's metrics. */
export type NodeAgentMetrics = ReturnType<typeof createNodeAgentMetrics>;
