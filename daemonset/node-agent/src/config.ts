// In: environment and command line. Out: one frozen record. Called by main.ts, once. Names and defaults: spec node-agent 8.1.
import { bool, choice, count, type EnvOf, list, readEnv, text } from '@ambit/runtime/env';
import { joinArguments, type Variables } from './arguments.ts';
import { NodeAgentError } from './errors.ts';
import { addressFamily } from './rules/address-text.ts';

/** The node agent's environment variables. */
export const nodeAgentEnv = {
  NODE_NAME: text('', 'Name of this node; only its pods are watched. Required.'),
  KUBERNETES_SERVICE_HOST: text('kubernetes.default.svc', 'Address of the API server.'),
  KUBERNETES_SERVICE_PORT: count(443, 'Port of the API server.', { max: 65_535 }),
  POD_NAME: text('', 'Name of this pod.'),
  POD_NAMESPACE: text('istio-system', 'Namespace of this pod.'),
  SYSTEM_NAMESPACE: text('istio-system', 'Namespace in which the node proxies run; they are never enrolled.'),
  AMBIENT_ENABLED: bool(false, 'Enrol pods into the ambient mesh.'),
  AMBIENT_ENABLEMENT_SELECTOR: text('', 'YAML list of pod and namespace selectors; empty means the standard labels.'),
  AMBIENT_DNS_CAPTURE: bool(false, 'Redirect the DNS queries of pods to the node proxy.'),
  AMBIENT_IPV6: bool(false, 'Install rules for IPv6 too.'),
  AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: bool(
    false,
    "Accepted for upstream's charts; the rules of enrolled pods are made anew at every start.",
  ),
  AMBIENT_DISABLE_SAFE_UPGRADE: bool(false, 'Remove host rules at every stop, not only at an uninstall.'),
  NATIVE_NFTABLES: text('', 'true: nftables, false: iptables, unset: nftables where it works.'),
  FORCE_IPTABLES_BINARY: text('', 'legacy or nft: use exactly this variant of iptables.'),
  EXCLUDE_NAMESPACES: list([], 'Namespaces whose pods are never enrolled.'),
  HOST_PROBE_SNAT_IP: text('169.254.7.127', 'Source address that node probes get, exempt from capture.'),
  AMBIT_PROBE_EXEMPTION: choice(
    ['upstream', 'kubelet'],
    'upstream',
    "Whose connections from the node are exempt from capture. kubelet: those of the kubelet's user. upstream: with nftables the same, with iptables those of every process of the node.",
  ),
  HOST_PROBE_SNAT_IPV6: text('fd16:9254:7127:1337:ffff:ffff:ffff:ffff', 'The same for IPv6.'),
  AMBIENT_USE_SCOPED_XTABLES_LOCKING: bool(
    true,
    'Legacy iptables in a pod locks the pod alone, not every other use of iptables on this node.',
  ),
  AMBIENT_ENABLE_AWS_BRANCH_ENI_PROBE: bool(
    true,
    'Let probes reach pods with branch interfaces (Security Groups for Pods of AWS); only where tcp_early_demux is 0.',
  ),
  ALLOW_SWITCH_TO_HOST_NS: bool(
    false,
    "Enter the node's network namespace through /host/proc/1/ns/net for host rules.",
  ),
  ZTUNNEL_UDS_ADDRESS: text('/var/run/ztunnel/ztunnel.sock', 'Socket on which node proxies are served.'),
  ENABLE_AMBIENT_DETECTION_RETRY: bool(
    true,
    'The plugin asks the API server again instead of letting a pod start outside of the mesh.',
  ),
  CHAINED_CNI_PLUGIN: bool(
    true,
    "Add the plugin to the node's CNI configuration; false: write a configuration of its own.",
  ),
  ISTIO_OWNED_CNI_CONFIG: bool(
    false,
    "Leave the network plugin's configuration alone and write a copy with the plugin before it.",
  ),
  ISTIO_OWNED_CNI_CONFIG_FILENAME: text('', 'Name of that copy; empty: 02-istio-cni.conflist.'),
  ISTIO_OWNED_CNI_CONF_FILENAME: text('', 'The same, as the chart of upstream spells it.'),
  KUBECONFIG_MODE: text('0600', "Permissions of the plugin's kubeconfig, octal."),
  KUBE_CA_FILE: text('', "CA of the API server for the plugin; empty: the service account's."),
  SKIP_TLS_VERIFY: bool(false, "The plugin does not check the API server's certificate."),
  KUBERNETES_SERVICE_PROTOCOL: text('https', 'Protocol of the API server for the plugin.'),
  CNI_AGENT_RUN_DIR: text('/var/run/istio-cni', "Folder of the plugin's sockets and kubeconfig."),
  CNI_CONF_NAME: text('', 'CNI configuration to add the plugin to; empty: the first valid one.'),
  MOUNTED_CNI_NET_DIR: text('/host/etc/cni/net.d', "The node's folder of CNI configurations."),
  CNI_CONF_GROUP_READ: bool(false, 'A CNI configuration that the agent makes may be read by its group.'),
  AMBIT_CNI_BIN_SOURCE: text(
    '/opt/cni/bin',
    "Folder of this image with the plugin's executable; without one nothing is installed.",
  ),
  AMBIT_CNI_BIN_DIR: text('/host/opt/cni/bin', "The node's folder of plugin executables."),
  MONITORING_PORT: count(15_014, 'Port of /metrics; 0 switches it off.'),
  AMBIT_READY_NEEDS_PROXY: bool(
    false,
    'The agent is ready only while a node proxy is connected; upstream does not ask for one.',
  ),
  AMBIT_DEBUG_PORT: count(9876, 'Port on 127.0.0.1 of /debug/enrolment; 0 switches it off.', { max: 65_535 }),
  LOG_LEVEL: text(
    'info',
    'Log level: error, warn, info, debug or trace; a list such as info,zds=debug for single scopes.',
  ),
  LOG_FORMAT: choice(['plain', 'json'], 'plain', 'Form of log lines.'),
  AMBIT_HEALTH_PORT: count(8000, 'Port of /healthz and /readyz.', { max: 65_535 }),
  AMBIT_HOST_PROC: text('/host/proc', "The node's process table, as mounted into this pod."),
  AMBIT_HOST_ROOT: text('/host', 'Folder under which paths of the node are mounted into this pod.'),
  AMBIT_SERVICE_ACCOUNT_DIR: text(
    '/var/run/secrets/kubernetes.io/serviceaccount',
    "Folder with this pod's token and the API server's CA.",
  ),
  AMBIT_UNINSTALL_PODS: choice(
    ['release', 'keep'],
    'release',
    'When the DaemonSet is deleted: take running pods out of the mesh, or leave their rules, which refuse traffic without a node proxy.',
  ),
  AMBIT_DRIFT_INTERVAL_SECONDS: count(
    60,
    'How often rules of pods and node are compared with what they should be; 0: never.',
    {
      max: 86_400,
    },
  ),
  REPAIR_ENABLED: bool(true, 'Look for pods with a sidecar that started before their redirection was there.'),
  REPAIR_REPAIR_PODS: bool(false, 'Upstream makes rules in such a pod; this agent says so and leaves it as it is.'),
  REPAIR_DELETE_PODS: bool(false, 'Delete such pods.'),
  REPAIR_LABEL_PODS: bool(false, 'Label such pods.'),
  REPAIR_SIDECAR_ANNOTATION: text('sidecar.istio.io/status', 'Annotation that only pods with a sidecar have.'),
  REPAIR_INIT_CONTAINER_NAME: text('istio-validation', 'Init container that finds out.'),
  REPAIR_INIT_CONTAINER_EXIT_CODE: count(126, 'How it ends then.', { max: 255 }),
  REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE: text('', 'Text that it ends with; empty: any.'),
  REPAIR_BROKEN_POD_LABEL_KEY: text('cni.istio.io/uninitialized', 'Label of such pods.'),
  REPAIR_BROKEN_POD_LABEL_VALUE: text('true', 'Value of that label.'),
  REPAIR_LABEL_SELECTORS: text('', 'Label selector of pods that are looked at; empty: all of this node.'),
  REPAIR_FIELD_SELECTORS: text('', 'Field selector of pods that are looked at, besides the node.'),
  REPAIR_NODE_NAME: text('', "Accepted for upstream's charts; the node is NODE_NAME."),
  REPAIR_RUN_AS_DAEMON: bool(false, "Accepted for upstream's charts."),
  REVISION: text('', "Accepted for upstream's charts; control planes of all revisions are served alike."),
  KUBERNETES_NODE_NAME: text('', "Accepted for upstream's charts; the node is NODE_NAME."),
  AMBIT_ZDS_TRANSPORT: choice(
    ['seqpacket', 'stream'],
    'seqpacket',
    'stream: frames without descriptors, for loopback capture.',
  ),
  AMBIT_UNPROTECTED_CONNECTIONS: choice(
    ['reset', 'keep'],
    'reset',
    'Connections from before the enrolment that a policy denies: reset them, or keep them.',
  ),
  AMBIT_UNPROTECTED_INTERVAL_SECONDS: count(2, 'How often connections from before the enrolment are counted again.', {
    min: 1,
    max: 3600,
  }),
};

/** The agent's settings. */
export type NodeAgentConfig = EnvOf<typeof nodeAgentEnv>;

/**
 * Reads environment and command line once. Throws ConfigError naming every problem, or ERR_NODE_AGENT_CONFIG when the node
 * has no name or an address is none.
 */
export function readNodeAgentConfig(args: readonly string[], environment: Variables = process.env): NodeAgentConfig {
  const config = readEnv(nodeAgentEnv, joinArguments(nodeAgentEnv, args, environment));
  if (config.NODE_NAME === '')
    throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', 'NODE_NAME is not set', {
      hint: 'set it from spec.nodeName in the DaemonSet',
    });
  // They become words of rules.
  for (const [name, family] of [
    ['HOST_PROBE_SNAT_IP', 4],
    ['HOST_PROBE_SNAT_IPV6', 6],
  ] as const)
    if (addressFamily(config[name]) !== family)
      throw new NodeAgentError(
        'ERR_NODE_AGENT_CONFIG',
        `${name} is "${config[name].slice(0, 60)}", which is no such address`,
      );
  return config;
}

/** The environment that programs of the node get from this process. */
export const inheritedEnvironment = (): Readonly<NodeJS.ProcessEnv> => process.env;
