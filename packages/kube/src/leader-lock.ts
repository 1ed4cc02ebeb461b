// Where the name of a leader stands: in a Lease, or in an annotation of a ConfigMap, as upstream writes it for some of its duties (spec
// control-plane 8.2). In: a client and a name. Out: who holds it, and writes that fail when somebody else wrote meanwhile. Called by
// leader-election.ts; main thread.
import type { ConfigMap, KubernetesObject, Lease } from '@ambit/resources';
import type { KubeClient } from './client.ts';

/** Kinds of objects that hold a lock. */
export type LeaderLockKind = 'Lease' | 'ConfigMap';

/** A lock as it was read or written. */
export interface LeaderRecord {
  /** Empty: nobody. */
  readonly holder: string;
  /** What the holder wrote beside its name; empty: nothing. */
  readonly key: string;
  /** How long it holds without renewal. */
  readonly heldMs: number;
  readonly acquireTime: string;
  readonly transitions: number;
  /** What it stands in, for the next write. */
  readonly object: KubernetesObject;
}

/** A lock of one name. */
export interface LeaderLock {
  /** Undefined when there is no such object. Rejects with KubeError. */
  read(): Promise<LeaderRecord | undefined>;
  /** Writes the holder after what was read last; undefined creates the object. Rejects with KubeError, a conflict among them. */
  write(holder: string, leaseMs: number, before: LeaderRecord | undefined): Promise<LeaderRecord>;
}

/** Settings of {@link leaderLock}. */
export interface LeaderLockOptions {
  readonly client: KubeClient;
  readonly kind: LeaderLockKind;
  readonly namespace: string;
  readonly name: string;
  /** What is compared among holders of different revisions; empty: nothing is written. */
  readonly key: string;
}

const ANNOTATION = 'control-plane.alpha.kubernetes.io/leader';
/** Of a Lease: its spec has no place for a key. */
const KEY_ANNOTATION = 'leader.istio.io/holder-key';
const DEFAULT_LEASE_SECONDS = 15;

/** Opens a lock. */
export function leaderLock({ client, kind, namespace, name, key }: LeaderLockOptions): LeaderLock {
  const head = { name, namespace };
  const recordOf = kind === 'Lease' ? recordOfLease : recordOfConfigMap;
  return {
    async read() {
      const object = await client.get({ kind, namespace, name });
      return object && recordOf(object as KubernetesObject);
    },
    async write(holder, leaseMs, before) {
      const now = new Date().toISOString();
      const isNew = before?.holder !== holder;
      const acquireTime = isNew || before.acquireTime === '' ? now : before.acquireTime;
      const transitions = (before?.transitions ?? 0) + (isNew && before !== undefined ? 1 : 0);
      const seconds = Math.ceil(leaseMs / 1000);
      const next: KubernetesObject =
        kind === 'Lease'
          ? leaseOf(head, before?.object, { holder, key, seconds, acquireTime, now, transitions })
          : configMapOf(head, before?.object, { holder, key, seconds, acquireTime, now, transitions });
      return recordOf(before === undefined ? await client.create(next) : await client.update(next));
    },
  };
}

interface Written {
  readonly holder: string;
  readonly key: string;
  readonly seconds: number;
  readonly acquireTime: string;
  readonly now: string;
  readonly transitions: number;
}
type Head = { readonly name: string; readonly namespace: string };

/** Times of Leases have microseconds. */
const micro = (time: string): string => (time.length === 24 ? time.replace('Z', '000Z') : time);

function leaseOf(head: Head, before: KubernetesObject | undefined, written: Written): KubernetesObject {
  const { [KEY_ANNOTATION]: _key, ...others } = before?.metadata?.annotations ?? {};
  const annotations = written.key === '' ? others : { ...others, [KEY_ANNOTATION]: written.key };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...before?.metadata, ...head, annotations },
    spec: {
      holderIdentity: written.holder,
      leaseDurationSeconds: written.seconds,
      acquireTime: micro(written.acquireTime),
      renewTime: micro(written.now),
      leaseTransitions: written.transitions,
    },
  };
}

function recordOfLease(object: KubernetesObject): LeaderRecord {
  const { spec } = object as Lease;
  return {
    holder: spec?.holderIdentity ?? '',
    key: object.metadata?.annotations?.[KEY_ANNOTATION] ?? '',
    heldMs: (spec?.leaseDurationSeconds ?? DEFAULT_LEASE_SECONDS) * 1000,
    acquireTime: spec?.acquireTime ?? '',
    transitions: spec?.leaseTransitions ?? 0,
    object,
  };
}

/** Everything else in the ConfigMap stays. Times have seconds only, as Go writes them there. */
function configMapOf(
  head: Head,
  before: KubernetesObject | undefined,
  { holder, key, seconds, acquireTime, now, transitions }: Written,
): KubernetesObject {
  const whole = (time: string): string => `${time.slice(0, 19)}Z`;
  const record = {
    holderIdentity: holder,
    holderKey: key,
    leaseDurationSeconds: seconds,
    acquireTime: whole(acquireTime),
    renewTime: whole(now),
    leaderTransitions: transitions,
  };
  const annotations = { ...before?.metadata?.annotations, [ANNOTATION]: JSON.stringify(record) };
  return { ...before, apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...before?.metadata, ...head, annotations } };
}

/** A text that is no record is nobody's: upstream's own next write would replace it as well. */
function recordOfConfigMap(object: KubernetesObject): LeaderRecord {
  const given = parsed((object as ConfigMap).metadata.annotations?.[ANNOTATION] ?? '');
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const number = (value: unknown, fallback: number): number =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : fallback;
  return {
    holder: text(given['holderIdentity']),
    key: text(given['holderKey']),
    heldMs: number(given['leaseDurationSeconds'], DEFAULT_LEASE_SECONDS) * 1000,
    acquireTime: text(given['acquireTime']),
    transitions: number(given['leaderTransitions'], 0),
    object,
  };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
