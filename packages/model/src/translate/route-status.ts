// Status of HTTPRoute, GRPCRoute, TCPRoute and TLSRoute: one entry per parent that is ours (spec control-plane 6.6). Pure.
import type { BackendRef, ParentRef, RouteFilter } from '@ambit/resources';
import type { ConditionResult } from '../conditions.ts';
import type { View } from '../index/view.ts';
import { bindService } from './waypoint/binding.ts';
import { definitionOf, hostnameOf, type ServiceDefinition } from './service/definition.ts';
import type { RouteKind, RouteParentResult, StatusResult } from './status-result.ts';
import { destinationOf } from './waypoint-config/destination.ts';
import { SUPPORTED_FILTERS } from './waypoint-config/filters.ts';
import { parentKey } from './waypoint-config/parents.ts';

/** The parents' statuses of a route; nothing when the route is gone or has no parent of ours. */
export function routeStatus(view: View, kind: RouteKind, key: string): StatusResult[] {
  const route = view.get(kind, key);
  if (route === undefined) return [];
  const namespace = route.metadata.namespace ?? '';
  const rules = (route.spec?.rules ?? []) as readonly RouteRule[];
  const resolved = resolvedRefs(view, rules.flatMap(destinationsOf), namespace);
  const unsupported = unsupportedFilter(rules);
  const parents: RouteParentResult[] = [];
  for (const ref of route.spec?.parentRefs ?? []) {
    const parent = parentKey(ref, namespace);
    if (parent === undefined || parent.startsWith('Gateway ')) continue;
    parents.push({
      parentRef: { ...ref },
      conditions: [accepted(view, parent, ref, unsupported), resolved, waypoints(view, parent)],
    });
  }
  return parents.length === 0 ? [] : [{ kind, key, parents }];
}

/** Rules of all kinds; those of streams have no filters. */
interface RouteRule {
  readonly backendRefs?: readonly BackendRef[];
  readonly filters?: readonly RouteFilter[];
}

/** Everything that a rule sends to, copies of requests included. */
function destinationsOf(rule: RouteRule): readonly BackendRef[] {
  const mirrors = filtersIn(rule).flatMap(({ requestMirror }) => (requestMirror === undefined ? [] : [requestMirror]));
  return [...(rule.backendRefs ?? []), ...mirrors.map(({ backendRef }) => backendRef)];
}

function filtersIn({ filters = [], backendRefs = [] }: RouteRule): readonly RouteFilter[] {
  return [...filters, ...backendRefs.flatMap((ref) => ref.filters ?? [])];
}

/** What is wrong with the filters; the requests that would have to pass them are answered 500. */
function unsupportedFilter(rules: readonly RouteRule[]): string | undefined {
  for (const [index, rule] of rules.entries()) {
    const filter = filtersIn(rule).find(({ type }) => !SUPPORTED_FILTERS.has(type));
    if (filter !== undefined)
      return `rule ${index}: filters of type ${filter.type} are not supported, its requests are answered 500`;
  }
  return undefined;
}

function accepted(view: View, parent: string, ref: ParentRef, unsupported: string | undefined): ConditionResult {
  const service = parentService(view, parent);
  if (service === undefined) return condition('Accepted', 'False', 'NoMatchingParent', 'parent service not found');
  const hasPort = ref.port === undefined || (service.message.ports ?? []).some((p) => p.servicePort === ref.port);
  if (hasPort && unsupported !== undefined) return condition('Accepted', 'False', 'UnsupportedValue', unsupported);
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
