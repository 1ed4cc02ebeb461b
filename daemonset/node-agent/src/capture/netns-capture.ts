// In: settings. Out: capture by rules in the pods' network namespaces. Called by app.ts, used by enrol/sequence.ts. Main thread.
import { insideNetns, openNetns, type NetnsHandle } from '@ambit/net';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import { dirname, join } from 'node:path';
import type { NodeAgentConfig } from '../config.ts';
import type { CaptureBackend } from '../enrol/capture-backend.ts';
import { NodeAgentError } from '../errors.ts';
import { findNamespaces, nodeInodes } from '../netns/find.ts';
import { ruleAnnotations } from '../select/pod-events.ts';
import { applyPodRules, preparePod, type PrintedRules, printPodRules, removePodRules } from '../rules/apply.ts';
import { BranchInterfaces, mayHaveBranchInterfaces, policyRouting } from '../rules/branch-interfaces.ts';
import { chooseBackend } from '../rules/choose-backend.ts';
import { HostRules } from '../rules/host.ts';
import { findKubeletUid } from '../rules/kubelet-uid.ts';
import { LoadedRules } from '../rules/loaded-rules.ts';
import { isInterfaceName, type PodRuleSettings } from '../rules/plan.ts';
import type { RuleBackend } from '../rules/rule-backend.ts';
import { uncarriedTwice } from '../unprotected/carried.ts';
import { lookAt, podConnections } from '../unprotected/pod-table.ts';

/** User whose probes are exempt where no kubelet process tells (decisions W8). */
const fallbackProbeUid = 0;

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
  const names = (pod.metadata?.annotations?.[ruleAnnotations.virtualInterfaces] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const virtualInterfaces = names.filter(isInterfaceName);
  if (virtualInterfaces.length < names.length)
    log.warn('an interface name was refused', { pod: pod.metadata?.name, namespace: pod.metadata?.namespace });
  return {
    ipv6: config.AMBIENT_IPV6,
    dnsCapture: flagOf(pod, ruleAnnotations.dnsCapture, config.AMBIENT_DNS_CAPTURE, log),
    bypassInbound: flagOf(pod, ruleAnnotations.bypassInbound, false, log),
    virtualInterfaces,
    probeIp: config.HOST_PROBE_SNAT_IP,
    probeIpv6: config.HOST_PROBE_SNAT_IPV6,
  };
}

/** Opens what the container runtime names. Rules in the node's own namespace would capture the node itself: it is refused. */
function openPath(
  { AMBIT_HOST_ROOT: hostRoot, AMBIT_HOST_PROC: hostProc }: NodeAgentConfig,
  path: string,
): NetnsHandle {
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw new NodeAgentError('ERR_NODE_AGENT_NETNS', `"${path}" is not an absolute path of a network namespace`);
  let handle: NetnsHandle | undefined;
  try {
    handle = openNetns(join(hostRoot, path));
    // Without propagation of mounts the file is there and is no namespace.
    insideNetns(handle.fd, () => undefined);
    if (nodeInodes(hostProc).has(handle.inode)) throw new Error("it is the node's own network namespace");
    return handle;
  } catch (cause) {
    handle?.close();
    throw new NodeAgentError('ERR_NODE_AGENT_NETNS', `network namespace ${path} cannot be entered`, {
      cause,
      hint: `is its folder mounted at ${join(hostRoot, dirname(path))}, with mountPropagation HostToContainer?`,
    });
  }
}

/** Of a pod that is known by name alone. */
const nothingPrinted: PrintedRules = { rules: '', way: '', generation: undefined };

/** Capture with production redirection. */
export function createNetnsCapture(
  config: NodeAgentConfig,
  rules: RuleBackend,
  host: HostRules,
  log: Logger,
): CaptureBackend {
  const loaded = new LoadedRules(rules);
  return {
    hasNamespaces: true,
    host,
    find: (pods) => findNamespaces(config.AMBIT_HOST_PROC, pods),
    openPath: (path) => openPath(config, path),
    prepare: async (pod) => {
      if (pod.netns !== undefined) preparePod(pod.netns.fd, log);
    },
    connections: podConnections,
    uncarried: (pod, object) => {
      const { bypassInbound, probeIp, probeIpv6 } = ruleSettingsOf(object, config, log);
      let listening: ReadonlySet<number> = new Set();
      const connections = uncarriedTwice(() => {
        const view = lookAt(pod.netns);
        listening = view.listening;
        return view;
      });
      return connections.filter(
        ({ localAddress, localPort, remoteAddress }) =>
          !localAddress.startsWith('127.') &&
          !pod.ips.includes(remoteAddress) &&
          // New ones would not be captured either: probes of the node, and what reaches a gateway from outside.
          ![probeIp, probeIpv6].includes(remoteAddress) &&
          !(bypassInbound && listening.has(localPort)),
      );
    },
    installRules: async (pod, object) =>
      pod.netns === undefined
        ? nothingPrinted
        : applyPodRules(loaded, pod.netns.fd, ruleSettingsOf(object, config, log), log),
    removeRules: async (pod) => {
      if (pod.netns !== undefined) await removePodRules(rules, pod.netns.fd, log);
    },
    printRules: async (pod, last) =>
      pod.netns === undefined ? nothingPrinted : printPodRules(loaded, pod.netns.fd, last),
  };
}

/** Chooses the tools, finds out whose probes are exempt, and captures with them. The caller closes `hostNetns`. */
export async function startNetnsCapture(
  config: NodeAgentConfig,
  hostNetns: NetnsHandle | undefined,
  log: Logger,
): Promise<CaptureBackend> {
  const kubeletUid = findKubeletUid(config.AMBIT_HOST_PROC);
  if (kubeletUid === undefined)
    log.warn('probes of user 0 are exempt from capture', { reason: 'no kubelet process was found' });
  const chosen = await chooseBackend(
    config,
    {
      netns: hostNetns?.fd,
      ipv6: config.AMBIENT_IPV6,
      probeIp: config.HOST_PROBE_SNAT_IP,
      probeIpv6: config.HOST_PROBE_SNAT_IPV6,
      probeUid: kubeletUid ?? fallbackProbeUid,
      isOnlyProbeUid: config.AMBIT_PROBE_EXEMPTION === 'kubelet',
    },
    log,
  );
  const hostLog = log.child('host');
  const branches =
    config.AMBIENT_ENABLE_AWS_BRANCH_ENI_PROBE && mayHaveBranchInterfaces(config.AMBIT_HOST_PROC)
      ? new BranchInterfaces(policyRouting(hostNetns?.fd), config.AMBIENT_IPV6, hostLog)
      : undefined;
  return createNetnsCapture(config, chosen.pods, new HostRules(chosen.host, hostLog, branches), log);
}
