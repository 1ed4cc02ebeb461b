// Status of a ListenerSet (spec control-plane 6.2, 6.5). In: the set and the Gateway that it wants to add listeners to. Out: conditions. Waypoints
// take none, as upstream's; ingress Gateways, which would, are not served. Sets of other controllers' Gateways give nothing. Pure.
import type { Gateway, ListenerSet } from '@ambit/resources';
import type { ConditionResult } from '../conditions.ts';
import { identityOf, type View } from '../index/view.ts';
import { type Labels, selects } from '../labels.ts';
import { controllerOf, unservedRole } from './gateway-controller.ts';
import type { StatusResult } from './status-result.ts';

const GATEWAY_API = 'gateway.networking.k8s.io';

/** Key of the Gateway that a set names; undefined when it names something else. */
export function gatewayOfListenerSet(set: ListenerSet): string | undefined {
  const { group = GATEWAY_API, kind = 'Gateway', namespace, name } = set.spec?.parentRef ?? {};
  if (group !== GATEWAY_API || kind !== 'Gateway' || name === undefined) return undefined;
  return `${namespace ?? set.metadata.namespace ?? ''}/${name}`;
}

/** True when sets of the namespace may add listeners: `allowedListeners` of the Gateway; by default none may. */
export function allowsListenersFrom(
  gateway: Gateway,
  namespace: string,
  labelsOf: (namespace: string) => Labels,
): boolean {
  const allowed = gateway.spec?.allowedListeners?.namespaces;
  switch (allowed?.from) {
    case 'All':
      return true;
    case 'Same':
      return namespace === gateway.metadata.namespace;
    case 'Selector':
      return (
        allowed.selector !== undefined &&
        selects(allowed.selector, { 'kubernetes.io/metadata.name': namespace, ...labelsOf(namespace) })
      );
    default:
      return false;
  }
}

/** The status that a set shall have; empty for sets that are not ours to report. */
export function listenerSetStatus(view: View, set: ListenerSet): StatusResult[] {
  const parent = gatewayOfListenerSet(set);
  const gateway = parent === undefined ? undefined : view.get('Gateway', parent);
  if (gateway === undefined) return [];
  const { key, namespace } = identityOf(set);
  const message = refusal(view, gateway, namespace);
  if (message === undefined) return [];
  const refused = (type: string): ConditionResult => ({ type, status: 'False', reason: 'NotAllowed', message });
  return [{ kind: 'ListenerSet', key, conditions: [refused('Accepted'), refused('Programmed')], listeners: [] }];
}

const TAKES_NONE: ReadonlySet<string> = new Set([
  'istio.io/mesh-controller',
  'istio.io/unmanaged-gateway',
  'istio.io/eastwest-controller',
]);

/** Why the set adds nothing; undefined when another one serves the Gateway. */
function refusal(view: View, gateway: Gateway, namespace: string): string | undefined {
  const controller = controllerOf(view, gateway);
  if (controller !== undefined && TAKES_NONE.has(controller))
    return `The "${gateway.spec?.gatewayClassName ?? ''}" GatewayClass does not support ListenerSet`;
  const role = unservedRole(view, gateway);
  if (role !== undefined) return `${role} Gateways are not served by this control plane, and so are their ListenerSets`;
  if (controller !== 'istio.io/gateway-controller') return undefined;
  if (allowsListenersFrom(gateway, namespace, (name) => view.namespaceLabels(name))) return undefined;
  return "The parent Gateway does not allow this reference; check the 'spec.allowedListeners'";
}
