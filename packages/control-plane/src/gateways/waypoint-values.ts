// Chart values that shape waypoints: `global.waypoint.*` and `global.imagePullSecrets` (spec control-plane 6.3, 7.5).
// In: the values as the chart stored them, any JSON. Out: checked values; what does not fit keeps its default. Pure.

type Json = Readonly<Record<string, unknown>>;

/** What the values say about the pods of waypoints. */
export interface WaypointValues {
  readonly resources: Json;
  /** Pod fields that are copied as they are: `affinity`, `nodeSelector`, `tolerations`, `topologySpreadConstraints`. */
  readonly scheduling: Json;
  /** Names of Secrets. */
  readonly imagePullSecrets: readonly string[];
  /** `global.network`; empty when it is not set. */
  readonly network: string;
}

const DEFAULT_RESOURCES: Json = {
  requests: { cpu: '100m', memory: '128Mi' },
  limits: { cpu: '2', memory: '1Gi' },
};
const MAPS = ['affinity', 'nodeSelector'] as const;
const LISTS = ['tolerations', 'topologySpreadConstraints'] as const;

/** Reads the values. */
export function waypointValues(values: unknown): WaypointValues {
  const global = mapOf(mapOf(values)['global']);
  const waypoint = mapOf(global['waypoint']);
  const scheduling: Record<string, unknown> = {};
  for (const field of MAPS) if (Object.keys(mapOf(waypoint[field])).length > 0) scheduling[field] = waypoint[field];
  for (const field of LISTS) if (listOf(waypoint[field]).length > 0) scheduling[field] = waypoint[field];
  const { network } = global;
  return {
    resources: merged(DEFAULT_RESOURCES, mapOf(waypoint['resources'])),
    scheduling,
    imagePullSecrets: listOf(global['imagePullSecrets']).filter((name) => typeof name === 'string'),
    network: typeof network === 'string' ? network : '',
  };
}

/** Values laid over defaults as charts do it: maps are merged, null takes a default away. */
function merged(defaults: Json, given: Json): Json {
  const entries = new Map(Object.entries(defaults));
  for (const [key, value] of Object.entries(given)) {
    const known = entries.get(key);
    if (value === null) entries.delete(key);
    else entries.set(key, isMap(known) && isMap(value) ? merged(known, value) : value);
  }
  return Object.fromEntries(entries);
}

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const mapOf = (value: unknown): Json => (isMap(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
