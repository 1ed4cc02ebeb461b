// One connection to one other cluster (spec control-plane 8.3): informers of what is read there fill a picture of it. In: a client made of
// a kubeconfig, and the policies of our cluster, which hold there too. Out: a RemoteCluster that the model takes when all was listed once.
// Called by remote-clusters.ts; main thread. A cluster that hangs or is gone keeps what was known of it: only a complete list deletes.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import { type ObjectChange, RemoteCluster } from '@ambit/model';
import type { KubernetesObject } from '@ambit/resources';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ClusterInfo } from '../admin/debug-pages.ts';
import type { ClusterLeader } from '../led-clusters.ts';
import { type ClusterState, withoutUnread } from './cluster-state.ts';
import { PodIndex } from './pod-index.ts';

/** A client that owns connections. */
export type RemoteClient = KubeClient & { close(): void };

const KINDS = ['Namespace', 'Node', 'Pod', 'Service', 'EndpointSlice', 'GatewayClass', 'Gateway'] as const;
/** Kinds of our own cluster that hold for workloads there as well (M7). */
const POLICIES = ['AuthorizationPolicy', 'PeerAuthentication'] as const;
const POLICY_KINDS: ReadonlySet<string> = new Set(POLICIES);
/** Most changes that are applied in one turn. */
const BATCH = 500;

/** What a connection works with. */
export interface ConnectionParts {
  readonly client: RemoteClient;
  /** Of the kubeconfig that the client was made of. */
  readonly digest: string;
  readonly cluster: ClusterState;
  readonly timeoutMs: number;
  /** Everything was listed once: {@link Connection.enter} may be called. Called until it was. */
  readonly onListed: (connection: Connection) => void;
  /** The state became another one. */
  readonly onState: () => void;
  /** Leads in the cluster from the moment on that it is in the model; undefined: nobody of ours does. */
  readonly lead: ((client: KubeClient) => ClusterLeader) | undefined;
  readonly log: Logger;
}

/** An open connection. */
export interface Connection {
  readonly client: RemoteClient;
  readonly pods: PodIndex;
  readonly digest: string;
  readonly state: ClusterInfo['syncStatus'];
  /** Gives the picture to the model, in place of an earlier one of this cluster. */
  enter(): void;
  /** Policies of our cluster changed. */
  applyPolicies(changes: readonly ObjectChange[]): void;
  /** Makes the picture anew, under the options of the model in force. */
  rebuild(): void;
  /** Ends everything; what the model has of it stays there. Settles when its locks are released. */
  close(): Promise<void>;
}

/** The policies among changes of our cluster. */
export function policiesIn(changes: readonly ObjectChange[]): readonly ObjectChange[] {
  return changes.filter((change) =>
    POLICY_KINDS.has(change.type === 'delete' ? change.kind : (change.object.kind ?? '')),
  );
}

/** Opens one: it starts to list and watch. */
export function openConnection(id: string, parts: ConnectionParts): Connection {
  const { client, digest, cluster, timeoutMs, log } = parts;
  let leader: ClusterLeader | undefined;
  const pods = new PodIndex();
  const queue: ObjectChange[] = [];
  let picture = new RemoteCluster(id, cluster.model.options);
  let state: Connection['state'] = 'syncing';
  let isListed = false;
  let isScheduled = false;
  const setState = (next: typeof state): void => {
    state = next;
    parts.onState();
  };
  const run = (): void => {
    isScheduled = false;
    if (state === 'closed') return;
    const batch = queue.splice(0, BATCH);
    pods.apply(batch);
    if (state === 'synced') cluster.applyRemote(id, batch);
    else picture.apply(batch);
    if (queue.length > 0) schedule();
    else if (isListed && state !== 'synced') parts.onListed(connection);
  };
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(run);
  };
  const informers: Informer[] = KINDS.map((kind) =>
    startInformer({
      client,
      kind,
      // The role of readers, upstream's and ours, does not show them.
      isOptional: kind === 'GatewayClass',
      log: log.child(id),
      strip: withoutUnread,
      onChanges(changes) {
        for (const change of changes) queue.push(change);
        schedule();
      },
    }),
  );
  const timer = setTimeout(() => {
    if (state !== 'syncing') return;
    log.warn('remote cluster not synced in time, going on without it', { cluster: id, timeoutMs });
    setState('timeout');
  }, timeoutMs);
  timer.unref();
  const policies = (): ObjectChange[] => POLICIES.flatMap((kind) => [...cluster.list(kind)].map(upsert));
  queue.push(...policies());
  Promise.all(informers.map((informer) => informer.synced)).then(
    () => {
      isListed = true;
      schedule();
    },
    (error: unknown) => log.error('remote cluster stopped', { cluster: id, error: explain(error) }),
  );
  const connection: Connection = {
    client,
    pods,
    digest,
    get state() {
      return state;
    },
    enter() {
      setState('synced');
      cluster.setRemote(id, picture);
      leader = parts.lead?.(client);
    },
    applyPolicies(changes) {
      if (state === 'synced') cluster.applyRemote(id, changes);
      else connection.rebuild();
    },
    rebuild() {
      picture = new RemoteCluster(id, cluster.model.options);
      picture.apply([...policies(), ...informers.flatMap((informer) => [...informer.list()].map(upsert))]);
      if (state === 'synced') cluster.setRemote(id, picture);
    },
    async close() {
      state = 'closed';
      clearTimeout(timer);
      for (const informer of informers) informer.close();
      await leader?.close();
      client.close();
    },
  };
  return connection;
}

const upsert = (object: KubernetesObject): ObjectChange => ({ type: 'upsert', object });
