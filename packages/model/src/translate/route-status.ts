// Status of HTTPRoute, GRPCRoute, TCPRoute and TLSRoute: one entry per parent that is ours (spec control-plane 6.6). Pure.
import type { BackendRef, ParentRef } from '@ambit/resources';
import type { ConditionResult } from '../conditions.ts';
import type { View } from '../index/view.ts';
import { bindService } from './waypoint/binding.ts';
import { definitionOf, hostnameOf, type ServiceDefinition } from './service/definition.ts';
import type { RouteKind, RouteParentResult, StatusResult } from './status-result.ts';
import { destinationOf } from './waypoint-config/destination.ts';
import { parentKey } from './waypoint-config/parents.ts';

/** The parents' statuses of a route; nothing when the route is gone or has no parent of ours. */
export function routeStatus(view: View, kind: RouteKind, key: string): StatusResult[] {
  const route = view.get(kind, key);
  if (route === undefined) return [];
  const namespace = route.metadata.namespace ?? '';
  const refs = (route.spec?.rules ?? []).flatMap((rule): readonly BackendRef[] => rule.backendRefs ?? []);
  const resolved = resolvedRefs(view, refs, namespace);
  const parents: RouteParentResult[] = [];
  for (const ref of route.spec?.parentRefs ?? []) {
    const parent = parentKey(ref, namespace);
    if (parent === undefined || parent.startsWith('Gateway ')) continue;
    parents.push({
      parentRef: { ...ref },
      conditions: [accepted(view, parent, ref), resolved, waypoints(view, parent)],
    });
  }
  return parents.length === 0 ? [] : [{ kind, key, parents }];
}

function accepted(view: View, parent: string, ref: ParentRef): ConditionResult {
  const service = parentService(view, parent);
  if (service === undefined) return condition('Accepted', 'False', 'NoMatchingParent', 'parent service not found');
  const hasPort = ref.port === undefined || (service.message.ports ?? []).some((p) => p.servicePort === ref.port);
  return hasPort
    ? condition('Accepted', 'True', 'Accepted', 'Route was valid')
    : condition('Accepted', 'False', 'NoMatchingParent', `port ${ref.port} not found`);
}

/** Of several errors the last in rule order is told. */
function resolvedRefs(view: View, refs: readonly BackendRef[], namespace: string): ConditionResult {
  let problem: { reason: string; message: string } | undefined;
  for (const ref of refs) {
    const destination = destinationOf(view, ref, namespace);
    if (destination.kind === 'invalid') problem = destination;
  }
  return problem === undefined
    ? condition('ResolvedRefs', 'True', 'ResolvedRefs', 'All references resolved')
    : condition('ResolvedRefs', 'False', problem.reason, problem.message);
}

function waypoints(view: View, parent: string): ConditionResult {
  const service = parentService(view, parent);
  const isBound = service !== undefined && bindService(view, service, service.isPrivate).waypoint !== undefined;
  const message =
    service === undefined
      ? 'parent not found'
      : isBound
        ? 'All waypoints resolved'
        : 'istio.io/use-waypoint label missing from parent and parent namespace; in ambient mode, route will not be respected';
  return condition('ResolvedWaypoints', 'True', 'ResolvedWaypoints', message);
}

function parentService(view: View, parent: string): ServiceDefinition | undefined {
  const space = parent.indexOf(' ');
  const key = parent.slice(space + 1);
  const slash = key.indexOf('/');
  const hostname = parent.startsWith('Service ')
    ? hostnameOf(key.slice(0, slash), key.slice(slash + 1), view.options.domain)
    : view.get('ServiceEntry', key)?.spec?.hosts?.[0];
  return hostname === undefined ? undefined : definitionOf(view, parent, hostname);
}

function condition(type: string, status: 'True' | 'False', reason: string, message: string): ConditionResult {
  return { type, status, reason, message };
}
