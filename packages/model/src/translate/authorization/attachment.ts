// Policies that a workload lists by name (spec control-plane 3.3). In: its labels and services. Out: names in order.
import { identityOf, type View } from '../../index/view.ts';
import { isSubset, type Labels } from '../../labels.ts';
import { bindService, bindWorkload } from '../waypoint/binding.ts';
import { winnersOf } from '../service/winners.ts';
import { peerAuthenticationNames } from './peer-authentication.ts';
import { nodeProxyPolicy } from './policy.ts';
import { allowWaypointName } from './waypoint-allow.ts';

/** Names of the policies with a selector for this workload, of its mutual TLS, and of its waypoints. */
export function policiesOf(view: View, namespace: string, labels: Labels, serviceKeys: readonly string[]): string[] {
  return [
    ...selectorPolicies(view, namespace, labels),
    ...peerAuthenticationNames(view, namespace, labels),
    ...waypointPolicies(view, namespace, labels, serviceKeys),
  ];
}

function selectorPolicies(view: View, namespace: string, labels: Labels): string[] {
  const names: string[] = [];
  for (const from of new Set([namespace, view.options.rootNamespace])) {
    for (const policy of view.inNamespace('AuthorizationPolicy', from)) {
      // An empty map of labels selects every workload; a selector without the map none.
      const selector = policy.spec?.selector?.matchLabels;
      if (selector === undefined || !isSubset(selector, labels)) continue;
      // A name that is never sent would make the node proxy deny everything.
      if (nodeProxyPolicy(policy, view.options).message !== undefined) names.push(identityOf(policy).key);
    }
  }
  return names.toSorted();
}

function waypointPolicies(view: View, namespace: string, labels: Labels, serviceKeys: readonly string[]): string[] {
  if (!view.options.autoAllowWaypointPolicy) return [];
  const waypoints = new Set<string>();
  const own = bindWorkload(view, namespace, labels).waypoint?.key;
  for (const key of serviceKeys) {
    const slash = key.indexOf('/');
    const definition = winnersOf(view, key.slice(slash + 1)).byNamespace.get(key.slice(0, slash));
    const waypoint = definition && bindService(view, definition, definition.isPrivate).waypoint;
    if (waypoint !== undefined && waypoint.key !== own) waypoints.add(waypoint.key);
  }
  return [...[...waypoints].toSorted(), ...(own === undefined ? [] : [own])]
    .map((key) => allowWaypointName(view, key))
    .filter((name) => name !== undefined);
}
