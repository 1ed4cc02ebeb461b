// The implicit policy that lets a waypoint through (spec control-plane 3.7); off unless the mesh asks for it. Pure.
import type { View } from '../../index/view.ts';
import { waypointOf } from '../waypoint/table.ts';
import { type AuthorizationInit, PolicyAction, PolicyScope } from '../../wire.ts';

/** The policy of one waypoint; undefined while it has no pods. */
export function allowWaypointPolicy(view: View, key: string): AuthorizationInit | undefined {
  if (!view.options.autoAllowWaypointPolicy) return undefined;
  const waypoint = waypointOf(view, key);
  if (waypoint === undefined) return undefined;
  const accounts = new Set(view.podsOfGateway(key).map((pod) => pod.spec?.serviceAccountName ?? ''));
  accounts.delete('');
  if (accounts.size === 0) return undefined;
  const prefix = `${view.options.trustDomain}/ns/${waypoint.namespace}/sa/`;
  const principals = [...accounts]
    .toSorted()
    .map((account) => ({ matchType: { case: 'exact', value: prefix + account } as const }));
  return {
    name: `istio_allow_waypoint_${waypoint.namespace}_${waypoint.name}`,
    namespace: waypoint.namespace,
    scope: PolicyScope.WORKLOAD_SELECTOR,
    action: PolicyAction.ALLOW,
    groups: [{ rules: [{ matches: [{ principals }] }] }],
  };
}

/** Full name of that policy, if there is one. */
export function allowWaypointName(view: View, key: string): string | undefined {
  const policy = allowWaypointPolicy(view, key);
  return policy && `${policy.namespace}/${policy.name}`;
}
