// How many pods each ReplicaSet of a Deployment should have next. Pure.
import { resolveIntOrPercent } from './selector.ts';

/** One ReplicaSet as the plan sees it. */
export interface PlannedSet {
  readonly name: string;
  /** spec.replicas. */
  readonly replicas: number;
  /** status.availableReplicas. */
  readonly available: number;
}

/** Inputs of a rolling step. `older` is ordered oldest first. */
export interface RollingInput {
  readonly desired: number;
  readonly maxSurge: number | string | undefined;
  readonly maxUnavailable: number | string | undefined;
  readonly current: PlannedSet;
  readonly older: readonly PlannedSet[];
}

/** Resolves surge and unavailability to pod counts; both zero means one may be unavailable. */
export function rollingBounds(
  desired: number,
  maxSurge: number | string | undefined,
  maxUnavailable: number | string | undefined,
): { surge: number; unavailable: number } {
  const surge = resolveIntOrPercent(maxSurge ?? '25%', desired, true);
  const unavailable = resolveIntOrPercent(maxUnavailable ?? '25%', desired, false);
  if (surge === 0 && unavailable === 0) return { surge, unavailable: 1 };
  return { surge, unavailable: Math.min(unavailable, desired) };
}

/** The next replica counts by ReplicaSet name; sets that keep their count are absent. */
export function planRollingStep(input: RollingInput): Map<string, number> {
  const next = new Map<string, number>();
  const { surge, unavailable } = rollingBounds(input.desired, input.maxSurge, input.maxUnavailable);
  const total = input.current.replicas + input.older.reduce((sum, set) => sum + set.replicas, 0);

  if (input.current.replicas > input.desired) next.set(input.current.name, input.desired);
  else if (input.current.replicas < input.desired) {
    const room = Math.min(input.desired + surge - total, input.desired - input.current.replicas);
    if (room > 0) next.set(input.current.name, input.current.replicas + room);
  }

  const minAvailable = input.desired - unavailable;
  const newUnavailable = Math.max(0, input.current.replicas - input.current.available);
  let removable = total - minAvailable - newUnavailable;
  if (removable <= 0) return next;

  const left = new Map(input.older.map((set) => [set.name, { ...set }]));
  for (const set of left.values()) {
    const unhealthy = Math.min(set.replicas - set.available, removable);
    if (unhealthy <= 0) continue;
    set.replicas -= unhealthy;
    removable -= unhealthy;
  }
  const available = input.current.available + [...left.values()].reduce((sum, set) => sum + set.available, 0);
  let healthyRemovable = available - minAvailable;
  for (const set of left.values()) {
    const count = Math.min(set.replicas, healthyRemovable);
    if (count <= 0) continue;
    set.replicas -= count;
    healthyRemovable -= count;
  }
  for (const set of input.older) {
    const planned = left.get(set.name)?.replicas ?? set.replicas;
    if (planned !== set.replicas) next.set(set.name, planned);
  }
  return next;
}
