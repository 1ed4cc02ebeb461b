/**
 * The waypoint's own configuration (types T1 to T7) as plain messages, and diffs between two states of it.
 * In: diffs. Out: an immutable snapshot. The main thread keeps one to replay it to a new data thread; each data thread
 * keeps its own. Messages are structured-cloneable.
 */
import type { Backend, Frontend, Listener, Policy, ProxyConfig, RouteTable, Secret } from '@ambit/proto/waypoint';

/** Message of each kind of resource. */
export interface ConfigMessages {
  readonly proxy: ProxyConfig;
  readonly listener: Listener;
  readonly frontend: Frontend;
  readonly routeTable: RouteTable;
  readonly backend: Backend;
  readonly policy: Policy;
  readonly secret: Secret;
}

/** Names of the kinds. */
export type ConfigKind = keyof ConfigMessages;

/** All kinds, in the order in which a batch with several of them is applied (spec/waypoint.md 2.4). */
export const CONFIG_KINDS: readonly ConfigKind[] = [
  'secret',
  'policy',
  'backend',
  'routeTable',
  'frontend',
  'listener',
  'proxy',
];

/** Changes of one kind. */
export interface ConfigKindDiff<Message> {
  readonly upsert: readonly (readonly [key: string, message: Message])[];
  readonly remove: readonly string[];
}

/** Changes of one batch; absent kinds are unchanged. `replace` forgets everything first. */
export interface ConfigDiff {
  readonly replace?: boolean;
  readonly kinds: { readonly [Kind in ConfigKind]?: ConfigKindDiff<ConfigMessages[Kind]> };
}

/** Everything known at one moment; never changed after it was made. */
export type ConfigSnapshot = { readonly [Kind in ConfigKind]: ReadonlyMap<string, ConfigMessages[Kind]> };

/** Key under which the one ProxyConfig is stored. */
export const PROXY_CONFIG_KEY = 'self';

/** Nothing known. */
export const emptyConfig: ConfigSnapshot = {
  proxy: new Map(),
  listener: new Map(),
  frontend: new Map(),
  routeTable: new Map(),
  backend: new Map(),
  policy: new Map(),
  secret: new Map(),
};

/** The snapshot after a diff; untouched kinds are shared with the old one. */
export const applyConfigDiff = (snapshot: ConfigSnapshot, diff: ConfigDiff): ConfigSnapshot => {
  const next: Record<string, ReadonlyMap<string, unknown>> = { ...(diff.replace === true ? emptyConfig : snapshot) };
  for (const kind of CONFIG_KINDS) {
    const changes = diff.kinds[kind];
    if (changes === undefined) continue;
    const map = new Map<string, unknown>(next[kind]);
    for (const key of changes.remove) map.delete(key);
    for (const [key, message] of changes.upsert) map.set(key, message);
    next[kind] = map;
  }
  return next as unknown as ConfigSnapshot;
};
