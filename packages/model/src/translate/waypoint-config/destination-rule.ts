// DestinationRules -> the settings and subsets of a Backend (spec waypoint 3.11). In: a service and its waypoint's namespace.
// Out: the merged rule of the service. Pure; called by backend.ts.
import type { DestinationRule, TrafficPolicy } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { isSubset, type Labels } from '../../labels.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { bindService } from '../waypoint/binding.ts';
import { labelsOfWorkloadEntry } from '../workload/workload-entry.ts';
import { coversHost, fullHost, isExportedTo } from './hosts.ts';

type PortPolicy = Omit<NonNullable<TrafficPolicy['portLevelSettings']>[number], 'port'>;

/** What holds for one port of a service or of a subset. */
export interface EffectivePolicy extends PortPolicy {
  readonly proxyProtocol?: TrafficPolicy['proxyProtocol'];
  readonly retryBudget?: TrafficPolicy['retryBudget'];
}

/** The rule of a service: the nearest namespace with a matching rule decides, there the most specific host. */
export function ruleOf(view: View, service: ServiceDefinition): NonNullable<DestinationRule['spec']> | undefined {
  const { rootNamespace, domain } = view.options;
  const waypoint = bindService(view, service, service.isPrivate).waypoint?.namespace ?? service.namespace;
  const namespaces = new Set([...(waypoint === rootNamespace ? [] : [waypoint]), service.namespace, rootNamespace]);
  for (const namespace of namespaces) {
    const fitting = view
      .inNamespace('DestinationRule', namespace)
      .filter(({ spec }) => spec?.workloadSelector === undefined)
      .filter(({ spec }) => isExportedTo(spec?.exportTo, namespace, waypoint))
      .map((rule) => ({ rule, host: fullHost(rule.spec?.host ?? '', namespace, domain) }))
      .filter(({ host }) => host !== '' && coversHost(host, service.hostname))
      .toSorted((a, b) => compare(a, b));
    const [first] = fitting;
    if (first === undefined) continue;
    // Several rules for one host: the oldest sets the policy, all bring subsets.
    const subsets = fitting.filter((f) => f.host === first.host).flatMap((f) => f.rule.spec?.subsets ?? []);
    return { ...first.rule.spec, subsets };
  }
  return undefined;
}

function compare(a: { rule: DestinationRule; host: string }, b: { rule: DestinationRule; host: string }): number {
  const isWild = Number(a.host.startsWith('*')) - Number(b.host.startsWith('*'));
  if (isWild !== 0 || a.host !== b.host) return isWild || b.host.length - a.host.length;
  const age = ({ rule }: { rule: DestinationRule }): string =>
    `${rule.metadata.creationTimestamp ?? ''}\0${identityOf(rule).key}`;
  return age(a) < age(b) ? -1 : 1;
}

/** Blocks of a subset replace those of the rule; settings of a port replace all blocks at once. */
export function policyOf(
  rule: NonNullable<DestinationRule['spec']>,
  port: number,
  subset: string,
): EffectivePolicy | undefined {
  const own = rule.subsets?.find((s) => s.name === subset)?.trafficPolicy;
  const layers = [atPort(rule.trafficPolicy, port), atPort(own, port)].filter((layer) => layer !== undefined);
  return layers.length === 0 ? undefined : Object.assign({}, ...layers);
}

function atPort(policy: TrafficPolicy | undefined, port: number): EffectivePolicy | undefined {
  if (policy === undefined) return undefined;
  const { portLevelSettings = [], tunnel: _tunnel, ...top } = policy;
  const settings = portLevelSettings.find((s) => s.port?.number === port);
  if (settings === undefined) return top;
  const { port: _port, ...blocks } = settings;
  return {
    ...blocks,
    ...(top.proxyProtocol && { proxyProtocol: top.proxyProtocol }),
    ...(top.retryBudget && { retryBudget: top.retryBudget }),
  };
}

/** Uids of the workloads of a service that carry the labels, sorted. The proxy knows no labels. */
export function membersOf(view: View, service: ServiceDefinition, labels: Labels): string[] {
  const { namespace, name, kind } = service;
  const { clusterId } = view.options;
  const key = `${namespace}/${name}`;
  const selector =
    kind === 'Service'
      ? view.get('Service', key)?.spec?.selector
      : view.get('ServiceEntry', key)?.spec?.workloadSelector?.labels;
  const uids: string[] = [];
  if (selector !== undefined && Object.keys(selector).length > 0) {
    const fits = (own: Labels): boolean => isSubset(selector, own) && isSubset(labels, own);
    for (const pod of view.labelledPods(namespace)) {
      if (fits(pod.metadata.labels ?? {})) uids.push(`${clusterId}//Pod/${identityOf(pod).key}`);
    }
    for (const entry of view.inNamespace('WorkloadEntry', namespace)) {
      if (fits(labelsOfWorkloadEntry(entry))) {
        uids.push(`${clusterId}/networking.istio.io/WorkloadEntry/${identityOf(entry).key}`);
      }
    }
  }
  const endpoints = kind === 'ServiceEntry' ? (view.get('ServiceEntry', key)?.spec?.endpoints ?? []) : [];
  for (const endpoint of endpoints) {
    if (!isSubset(labels, endpoint.labels ?? {})) continue;
    uids.push(`${clusterId}/networking.istio.io/ServiceEntry/${key}/${endpoint.address ?? ''}`);
  }
  return uids.toSorted();
}
