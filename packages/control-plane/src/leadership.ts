// Who leads in a duty (spec control-plane 8.2): locks with upstream's names, kinds and keys, so that replicas of both makes and of several
// revisions see each other. In: a duty. Out: a running election. Called by writers.ts; main thread.
import { type KubeClient, type LeaderElection, startLeaderElection } from '@ambit/kube';
import type { Logger } from '@ambit/runtime/log';
import type { ControlPlaneConfig } from './config.ts';

/** Duties whose lock is a ConfigMap in upstream: only there do both makes see each other. */
const CONFIG_MAP_LOCKS: ReadonlySet<string> = new Set([
  'istio-namespace-controller-election',
  'istio-ip-autoallocate',
  'istio-node-untaint',
]);
/** Stands before the revision in the key of a holder that serves the cluster from another one. */
const REMOTE = '^';

/** What a candidate works with. */
export interface LeadershipParts {
  readonly config: Pick<ControlPlaneConfig, 'ENABLE_LEADER_ELECTION' | 'POD_NAME' | 'POD_NAMESPACE' | 'REVISION'>;
  /** Of the cluster that the lock is in. */
  readonly client: KubeClient;
  /** The revision that the tag `default` of that cluster points at; empty: none is tagged. */
  readonly defaultRevision: () => string;
  /** True when that cluster is not the one that this process runs for. Default false. */
  readonly isRemote?: boolean;
  readonly log: Logger;
}

/** A duty: its lock, and what to do while leading. */
export interface Duty {
  readonly lock: string;
  /** Each revision has a lock of its own: none comes before another. */
  readonly isPerRevision?: boolean;
  readonly onLead: (signal: AbortSignal) => void;
}

/** The revision under its name in keys and labels. */
export const revisionName = (revision: string): string => (revision === '' ? 'default' : revision);

/**
 * Whether a candidate takes the lock from its holder: the default revision from any other, and who runs in the cluster from one of the same
 * revision elsewhere.
 */
export function comesBefore(
  candidate: { readonly revision: string; readonly isRemote: boolean },
  defaultRevision: string,
  holderKey: string,
): boolean {
  const isHolderRemote = holderKey.startsWith(REMOTE);
  const holder = isHolderRemote ? holderKey.slice(REMOTE.length) : holderKey;
  const { revision, isRemote } = candidate;
  if (holder === revision) return isHolderRemote && !isRemote;
  return defaultRevision === revision;
}

/** Starts to compete for a duty. */
export function compete(parts: LeadershipParts, { lock, isPerRevision = false, onLead }: Duty): LeaderElection {
  const { config, client, defaultRevision, isRemote = false } = parts;
  if (!config.ENABLE_LEADER_ELECTION) {
    const always = new AbortController();
    onLead(always.signal);
    return { isLeader: true, close: async () => always.abort() };
  }
  const revision = revisionName(config.REVISION);
  const isBefore = (holderKey: string): boolean => comesBefore({ revision, isRemote }, defaultRevision(), holderKey);
  return startLeaderElection({
    client,
    namespace: config.POD_NAMESPACE,
    name: isPerRevision ? `${lock}-${revision}` : lock,
    kind: CONFIG_MAP_LOCKS.has(lock) ? 'ConfigMap' : 'Lease',
    ...(!isPerRevision && { key: `${isRemote ? REMOTE : ''}${revision}`, comesBefore: isBefore }),
    identity: config.POD_NAME,
    onLead,
    log: parts.log.child('leader'),
  });
}
