// What the model wants as status -> request bodies. In: wanted conditions and the current object. Out: a body, or undefined when
// the object already says so. Pure; called by writer.ts (spec control-plane 9.1 ST1-ST3).
import type { RouteKind, ConditionResult, ObjectConditions, StatusResult } from '@ambit/model';
import { apiVersionOf, type Condition, kinds, type KubernetesObject, type RouteParentStatus } from '@ambit/resources';

const ROUTE_CONTROLLER = 'istio.io/gateway-controller';

/** Object for a server-side apply of the conditions of one writer; undefined when nothing differs. */
export function conditionsBody(
  wanted: ObjectConditions,
  current: KubernetesObject,
  now: string,
): KubernetesObject | undefined {
  const { kind, namespace, name } = wanted;
  const status = current['status'] as { conditions?: Condition[] } | undefined;
  const generation = kind === 'AuthorizationPolicy' ? current.metadata?.generation : undefined;
  const known = status?.conditions ?? [];
  const mine = known.filter((c) => typesOf(wanted.manager).includes(c.type));
  const conditions = timed(wanted.conditions, known, generation, now);
  if (isSameList(mine, conditions)) return undefined;
  return { apiVersion: apiVersionOf(kinds[kind]), kind, metadata: { name, namespace }, status: { conditions } };
}

/** Condition types that a writer may set. */
function typesOf(manager: ObjectConditions['manager']): readonly string[] {
  switch (manager) {
    case 'istio-ambient-service':
      return ['istio.io/WaypointBound', 'istio.io/WaypointMissing', 'istio.io/VisibilityApplied'];
    case 'istio-ambient-workloadentry':
      return ['istio.io/WaypointBound'];
    case 'istio-ambient-ztunnel-policy':
      return ['ZtunnelAccepted'];
    case 'istio-ambient-waypoint-policy':
      return ['WaypointAccepted'];
    default:
      return wanted(manager);
  }
}

function wanted(manager: never): never {
  throw new TypeError(`unknown status manager ${String(manager)}`);
}

/** Merge patch for the status of a Gateway or route; undefined when nothing differs. */
export function statusPatch(result: StatusResult, current: KubernetesObject, now: string): object | undefined {
  const status = (current['status'] ?? {}) as Record<string, unknown>;
  const next =
    result.kind === 'Gateway'
      ? gatewayStatus(result, current, now)
      : result.kind === 'ListenerSet'
        ? listenerSetStatus(result, current, now)
        : routeStatus(result, current, now);
  const isSame = Object.entries(next).every(
    ([key, value]) => JSON.stringify(status[key] ?? []) === JSON.stringify(value),
  );
  return isSame ? undefined : { status: next };
}

function gatewayStatus(
  result: StatusResult & { kind: 'Gateway' },
  current: KubernetesObject,
  now: string,
): Record<string, unknown> {
  const status = current['status'] as
    | { conditions?: Condition[]; listeners?: { name: string; conditions?: Condition[] }[] }
    | undefined;
  const generation = current.metadata?.generation;
  const known = status?.conditions ?? [];
  const foreign = known.filter((c) => !result.conditions.some((w) => w.type === c.type));
  return {
    addresses: result.addresses,
    conditions: [...foreign, ...timed(result.conditions, known, generation, now)],
    listeners: result.listeners.map((listener) => {
      const before = status?.listeners?.find((l) => l.name === listener.name)?.conditions ?? [];
      return { ...listener, conditions: timed(listener.conditions, before, generation, now) };
    }),
  };
}

function listenerSetStatus(
  { conditions, listeners }: StatusResult & { kind: 'ListenerSet' },
  current: KubernetesObject,
  now: string,
): Record<string, unknown> {
  const known = (current['status'] as { conditions?: Condition[] } | undefined)?.conditions ?? [];
  const foreign = known.filter((c) => !conditions.some((w) => w.type === c.type));
  return { conditions: [...foreign, ...timed(conditions, known, current.metadata?.generation, now)], listeners };
}

function routeStatus(
  result: StatusResult & { kind: RouteKind },
  current: KubernetesObject,
  now: string,
): Record<string, unknown> {
  const known = (current['status'] as { parents?: RouteParentStatus[] } | undefined)?.parents ?? [];
  const foreign = known.filter((p) => p.controllerName !== ROUTE_CONTROLLER);
  const parents = result.parents.map(({ parentRef, conditions }) => {
    const before = known.find((p) => p.controllerName === ROUTE_CONTROLLER && sameParent(p.parentRef, parentRef));
    return {
      parentRef,
      controllerName: ROUTE_CONTROLLER,
      conditions: timed(conditions, before?.conditions ?? [], current.metadata?.generation, now),
    };
  });
  return { parents: [...foreign, ...parents] };
}

type Ref = { group?: string; kind?: string; namespace?: string; name: string; sectionName?: string; port?: number };

function sameParent(a: Ref, b: Ref): boolean {
  const key = (r: Ref): string => [r.group, r.kind, r.namespace, r.name, r.sectionName, r.port].join('\0');
  return key(a) === key(b);
}

/** Conditions with generation and time; the time stays while the status stays. */
function timed(
  wantedList: readonly ConditionResult[],
  known: readonly Condition[],
  generation: number | undefined,
  now: string,
): Condition[] {
  return wantedList.map(({ type, status, reason, message }) => {
    const before = known.find((c) => c.type === type);
    const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
    return {
      type,
      status,
      reason,
      message,
      lastTransitionTime,
      ...(generation !== undefined && { observedGeneration: generation }),
    };
  });
}

function isSameList(a: readonly Condition[], b: readonly Condition[]): boolean {
  if (a.length !== b.length) return false;
  return b.every((want) => {
    const have = a.find((c) => c.type === want.type);
    return (
      have?.status === want.status &&
      have.reason === want.reason &&
      (have.message ?? '') === want.message &&
      (have.observedGeneration ?? 0) === (want.observedGeneration ?? 0)
    );
  });
}
