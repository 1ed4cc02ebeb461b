// The model as resource sources of the xDS server: addresses, authorizations, waypoint types. In: diffs of the model.
// Out: names to push. Called by app.ts; main thread. Nothing is copied: sources read the model's own indices.
import type { Model, ModelDiff } from '@ambit/model';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  EXTENSION_TYPE_URL,
  SECRET_TYPE_URL,
  WORKLOAD_TYPE_URL,
  WAYPOINT_TYPE_URLS,
} from '@ambit/proto/type-urls';
import { type ClientInfo, createResourceTable, type ResourceSource, type XdsResource } from '@ambit/xds/server';
import { SESSION_KEY_PREFIX, sessionKeyName } from '@ambit/proto/secret-names';
import { SecretSchema } from '@ambit/proto/waypoint';
import { create, toBinary } from '@bufbuild/protobuf';
import { hash } from 'node:crypto';
import type { SessionKeys } from './session-keys.ts';
import { workloadOfAddress } from './workload-of-address.ts';
import { isOwnWaypoint, provenWaypointOf, waypointOf } from '../clients/authorize.ts';

/** All sources and the way to tell them about changes. */
export interface Snapshot {
  /** In the order in which changes of several types are pushed. */
  readonly sources: readonly ResourceSource[];
  /** Announces a diff; undefined = everything may have changed. */
  announce(diff: ModelDiff | undefined): void;
}

type OnChange = (names: Iterable<string> | 'all') => void;

/** Makes the sources over whatever model is in force. */
export function createSnapshot(current: () => Model, sessions: SessionKeys): Snapshot {
  const listeners = new Map<string, Set<OnChange>>();
  const subscribe = (typeUrl: string) => (onChange: OnChange) => {
    const set = listeners.get(typeUrl) ?? new Set();
    listeners.set(typeUrl, set.add(onChange));
    return { [Symbol.dispose]: () => void set.delete(onChange) };
  };
  const tell = (typeUrl: string, names: Iterable<string> | 'all'): void => {
    for (const listener of listeners.get(typeUrl) ?? []) listener(names);
  };
  const configTypes = WAYPOINT_TYPE_URLS.filter((url) => url !== SECRET_TYPE_URL && url !== EXTENSION_TYPE_URL);
  return {
    sources: [
      secretSource(current, sessions, subscribe(SECRET_TYPE_URL)),
      // There are no extensions yet, and a request still gets an answer.
      createResourceTable(EXTENSION_TYPE_URL),
      addressSource(current, subscribe(ADDRESS_TYPE_URL)),
      workloadSource(current, subscribe(WORKLOAD_TYPE_URL)),
      authorizationSource(current, subscribe(AUTHORIZATION_TYPE_URL)),
      ...configTypes.map((typeUrl) => configSource(current, typeUrl, subscribe(typeUrl))),
    ],
    announce(diff) {
      if (diff === undefined) {
        for (const typeUrl of listeners.keys()) tell(typeUrl, 'all');
        return;
      }
      const addresses = changedAddresses(current(), diff);
      if (addresses.size > 0) {
        tell(ADDRESS_TYPE_URL, addresses);
        tell(WORKLOAD_TYPE_URL, [...addresses].filter(isWorkloadName));
      }
      const authorizations = [...diff.authorizations.updated, ...diff.authorizations.removed];
      if (authorizations.length > 0) tell(AUTHORIZATION_TYPE_URL, authorizations);
      for (const [typeUrl, names] of diff.config) if (typeUrl !== ADDRESS_TYPE_URL) tell(typeUrl, names);
    },
  };
}

/** Changed addresses, and those that some waypoint now sees or sees no longer. */
function changedAddresses(model: Model, diff: ModelDiff): Set<string> {
  const names = new Set([...diff.addresses.updated, ...diff.addresses.removed]);
  for (const name of diff.config.get(ADDRESS_TYPE_URL) ?? []) {
    names.add(name);
    for (const workload of model.addresses.workloadsOfService(name)) names.add(workload);
  }
  return names;
}

type Subscribe = ResourceSource['subscribe'];

function addressSource(current: () => Model, subscribe: Subscribe): ResourceSource {
  return {
    typeUrl: ADDRESS_TYPE_URL,
    subscribe,
    *names() {
      for (const { name } of current().addresses.all()) yield name;
    },
    get: (name) => current().addresses.get(name),
    lookup: (key) => current().addresses.resolve(key),
    unasked: ({ node }) => {
      const name = node.type === 'ztunnel' ? node.text('NODE_NAME') : undefined;
      return name === undefined ? [] : current().addresses.workloadsOfNode(name);
    },
    scope: (client) => {
      const model = current();
      const waypoint = waypointOf(model, client);
      if (waypoint === undefined) return undefined;
      const sees = (name: string): boolean => model.config.isVisible(waypoint, ADDRESS_TYPE_URL, name);
      // A waypoint gets its services and what is behind them; it may ask for any address it meets.
      return { isPushed: (name) => sees(name) || model.addresses.get(name)?.services.some(sees) === true };
    },
    answersNamed: ({ node }) => isOwnWaypoint(node),
    removesLast: true,
  };
}

/** Names of services have one slash, uids of workloads more (spec control-plane 2.2). */
function isWorkloadName(name: string): boolean {
  return name.indexOf('/') !== name.lastIndexOf('/');
}

/** The older type: workloads only. */
function workloadSource(current: () => Model, subscribe: Subscribe): ResourceSource {
  const get: ResourceSource['get'] = (name) => {
    const resource = current().addresses.get(name);
    return resource?.kind === 'workload' ? { ...resource, bytes: workloadOfAddress(resource.bytes) } : undefined;
  };
  return {
    ...addressSource(current, subscribe),
    typeUrl: WORKLOAD_TYPE_URL,
    get,
    *names() {
      for (const { name, kind } of current().addresses.all()) if (kind === 'workload') yield name;
    },
    lookup: (key) =>
      current()
        .addresses.resolve(key)
        .filter((name) => get(name) !== undefined),
    // A service is no resource of this type, but it is there: its workloads are what a client gets of it.
    isKnown: (name) => current().addresses.get(name) !== undefined,
  };
}

function authorizationSource(current: () => Model, subscribe: Subscribe): ResourceSource {
  return {
    typeUrl: AUTHORIZATION_TYPE_URL,
    subscribe,
    names: () => current().authorizations.keys(),
    get: (name) => current().authorizations.get(name),
    alwaysWildcard: true,
    resendOnForcedPush: true,
  };
}

function configSource(current: () => Model, typeUrl: string, subscribe: Subscribe): ResourceSource {
  return {
    typeUrl,
    subscribe,
    names: () => current().config.names(typeUrl),
    get: (name) => current().config.get(typeUrl, name),
    scope: (client: ClientInfo) => {
      const model = current();
      const waypoint = waypointOf(model, client);
      const sees = (name: string): boolean => waypoint !== undefined && model.config.isVisible(waypoint, typeUrl, name);
      // What is behind other waypoints is nobody's business, not even by name.
      return { isPushed: sees, isReadable: sees };
    },
    removesLast: true,
  };
}

/** Key material comes on demand only: what a policy of the waypoint names, and its own key of sessions when it proved who it is. */
function secretSource(current: () => Model, sessions: SessionKeys, subscribe: Subscribe): ResourceSource {
  const source = configSource(current, SECRET_TYPE_URL, subscribe);
  // Keys that somebody may read asked for, also in vain.
  const asked = new Set<string>();
  return {
    ...source,
    subscribe(onChange) {
      sessions.onChange(() => onChange(asked));
      return source.subscribe(onChange);
    },
    get(name) {
      if (!name.startsWith(SESSION_KEY_PREFIX)) return source.get(name);
      asked.add(name);
      return sessionKey(sessions, name);
    },
    scope(client) {
      const scope = source.scope?.(client);
      const waypoint = provenWaypointOf(current(), client);
      const own = waypoint === undefined ? undefined : sessionKeyName(waypoint);
      return { isPushed: () => false, isReadable: (name) => name === own || (scope?.isReadable?.(name) ?? false) };
    },
  };
}

function sessionKey(sessions: SessionKeys, name: string): XdsResource | undefined {
  const key = sessions.keyOf(name.slice(SESSION_KEY_PREFIX.length));
  if (key === undefined) return undefined;
  const bytes = toBinary(SecretSchema, create(SecretSchema, { body: { case: 'opaque', value: key } }));
  return { name, bytes, version: hash('sha256', bytes).slice(0, 16) };
}
