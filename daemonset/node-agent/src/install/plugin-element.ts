// In: the agent's settings. Out: the plugin's element of the CNI configuration, and its kubeconfig. Pure. Called by installer.ts.
// Source: spec node-agent 6.1 and 6.7.
import type { NodeAgentConfig } from '../config.ts';
import type { SelectionRules } from '../select/eligible.ts';
import type { PluginElement } from './cni-config.ts';

/** Name of the plugin's kubeconfig in the run folder. */
export const kubeconfigName = 'istio-cni-kubeconfig';

/** What the plugin is told with every call. */
export function buildPluginElement(config: NodeAgentConfig, rules: SelectionRules): PluginElement {
  return {
    type: 'istio-cni',
    name: 'istio-cni',
    plugin_log_level: config.LOG_LEVEL,
    cni_agent_run_dir: config.CNI_AGENT_RUN_DIR,
    ambient_enabled: config.AMBIENT_ENABLED,
    enablement_selectors: rules.selectors,
    exclude_namespaces: rules.excludedNamespaces,
    pod_namespace: config.POD_NAMESPACE,
    enable_ambient_detection_retry: config.ENABLE_AMBIENT_DETECTION_RETRY,
    ipam: {},
    dns: {},
  };
}

/** Text of the kubeconfig, as JSON: the plugin then needs no YAML reader. */
export function buildKubeconfig(access: {
  readonly host: string;
  readonly port: number;
  readonly protocol: string;
  /** Undefined: the server's certificate is not checked, because the operator chose so. */
  readonly caPem: string | undefined;
  readonly token: string;
}): string {
  const host = access.host.includes(':') ? `[${access.host}]` : access.host;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'local',
        cluster: {
          server: `${access.protocol}://${host}:${access.port}`,
          ...(access.caPem === undefined
            ? { 'insecure-skip-tls-verify': true }
            : { 'certificate-authority-data': Buffer.from(access.caPem).toString('base64') }),
        },
      },
    ],
    users: [{ name: 'istio-cni', user: { token: access.token } }],
    contexts: [{ name: 'istio-cni-context', context: { cluster: 'local', user: 'istio-cni' } }],
    'current-context': 'istio-cni-context',
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
