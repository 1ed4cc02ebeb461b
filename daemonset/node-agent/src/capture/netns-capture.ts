// In: settings. Out: capture by rules in the pods' network namespaces. Called by app.ts, used by enrol/sequence.ts. Main thread.
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { NodeAgentConfig } from '../config.ts';
import type { CaptureBackend } from '../enrol/sequence.ts';
import { NodeAgentError } from '../errors.ts';
import { findNamespaces } from '../netns/find.ts';
import { applyPodRules, removePodRules } from '../rules/apply.ts';
import type { HostRules } from '../rules/host.ts';
import { isInterfaceName, type PodRuleSettings } from '../rules/plan.ts';

const trueTexts = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falseTexts = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** A boolean annotation; other texts are ignored with a warning. */
function flagOf(pod: KubernetesObject, name: string, fallback: boolean, log: Logger): boolean {
  const value = pod.metadata?.annotations?.[name];
  if (value === undefined) return fallback;
  if (trueTexts.has(value)) return true;
  if (falseTexts.has(value)) return false;
  log.warn('annotation is not a boolean and was ignored', {
    pod: pod.metadata?.name,
    namespace: pod.metadata?.namespace,
    name,
  });
  return fallback;
}

/** What a pod's annotations ask of its rules. */
export function ruleSettingsOf(pod: KubernetesObject, config: NodeAgentConfig, log: Logger): PodRuleSettings {
  const names = (pod.metadata?.annotations?.['istio.io/reroute-virtual-interfaces'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const virtualInterfaces = names.filter(isInterfaceName);
  if (virtualInterfaces.length < names.length)
    log.warn('an interface name was refused', { pod: pod.metadata?.name, namespace: pod.metadata?.namespace });
  return {
    ipv6: config.AMBIENT_IPV6,
    dnsCapture: flagOf(pod, 'ambient.istio.io/dns-capture', config.AMBIENT_DNS_CAPTURE, log),
    bypassInbound: flagOf(pod, 'ambient.istio.io/bypass-inbound-capture', false, log),
    virtualInterfaces,
    probeIp: config.HOST_PROBE_SNAT_IP,
    probeIpv6: config.HOST_PROBE_SNAT_IPV6,
  };
}

/** Capture with production redirection. */
export function createNetnsCapture(config: NodeAgentConfig, host: HostRules, log: Logger): CaptureBackend {
  return {
    host,
    open: (uid, ips) => {
      const handle = findNamespaces(config.AMBIT_HOST_PROC, [{ uid, ips }]).get(uid);
      if (handle !== undefined) return handle;
      throw new NodeAgentError(
        'ERR_NODE_AGENT_NETNS',
        'no process of the pod was found in a network namespace with its address',
        {
          hint: `is ${config.AMBIT_HOST_PROC} the node's process table?`,
        },
      );
    },
    installRules: async (pod, object) => {
      if (pod.netns !== undefined) await applyPodRules(pod.netns.fd, ruleSettingsOf(object, config, log), log);
    },
    removeRules: async (pod) => {
      if (pod.netns !== undefined) await removePodRules(pod.netns.fd, log);
    },
  };
}
