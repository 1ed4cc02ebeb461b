// Other clusters of the mesh (spec control-plane 8.3): each key of a Secret with label istio/multiCluster=true is a cluster id, its value a
// kubeconfig. In: Secrets. Out: RemoteClusters in the model, and clients and pods for authentication. Owned by app.ts; main thread.
// A cluster comes into the model when all of it was listed once, is exchanged when another kubeconfig is synced, and goes when its key goes:
// a cluster that cannot be reached keeps its last state and disturbs no other.
import { hash } from 'node:crypto';
import { createRestClient, type Informer, type KubeClient, remoteAccess, startInformer } from '@ambit/kube';
import { type ObjectChange, RemoteCluster } from '@ambit/model';
import type { KubernetesObject, Secret } from '@ambit/resources';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ClusterInfo } from '../admin/debug-pages.ts';
import { type ClusterState, withoutUnread } from './cluster-state.ts';
import { PodIndex } from './pod-index.ts';

/** A client that owns connections. */
export type RemoteClient = KubeClient & { close(): void };

/** Settings of {@link watchRemoteClusters}. */
export interface RemoteClustersOptions {
  readonly client: KubeClient;
  /** The system namespace. */
  readonly namespace: string;
  readonly ownId: string;
  readonly cluster: ClusterState;
  /** Throws KubeError for a kubeconfig that cannot be used. */
  readonly connect: (kubeconfig: string) => RemoteClient;
  readonly timeoutMs: number;
  /** Told the number of clusters after every change of a Secret. */
  readonly onCount?: (count: number) => void;
  readonly log: Logger;
}

/** The other clusters. */
export interface RemoteClusters {
  /** True when each cluster that was there at the start is synced or has had its time. */
  readonly isSettled: boolean;
  /** By id: whom to ask about tokens, and which pods run there. Only clusters that are synced. */
  get(id: string): { readonly client: KubeClient; readonly pods: PodIndex } | undefined;
  infos(): ClusterInfo[];
  close(): void;
}

const LABEL = 'istio/multiCluster';
const KINDS = ['Namespace', 'Node', 'Pod', 'Service', 'EndpointSlice', 'GatewayClass', 'Gateway'] as const;
/** Kinds of our own cluster that hold for workloads there as well (M7). */
const POLICIES = ['AuthorizationPolicy', 'PeerAuthentication'] as const;
const POLICY_KINDS: ReadonlySet<string> = new Set(POLICIES);
/** Most changes that are applied in one turn. */
const BATCH = 500;
/** Most clusters; more are refused. */
const MAX_CLUSTERS = 100;

/** One connection to one cluster. */
interface Connection {
  readonly client: RemoteClient;
  readonly pods: PodIndex;
  readonly digest: string;
  state: 'syncing' | 'timeout' | 'synced' | 'closed';
  close(): void;
}

interface Entry {
  readonly secretName: string;
  /** In the model. */
  current: Connection | undefined;
  /** On its way into the model. */
  next: Connection | undefined;
}

/** Access over HTTPS by the text of a kubeconfig. */
export function connectRemote(kubeconfig: string): RemoteClient {
  return createRestClient(remoteAccess(kubeconfig), { userAgent: 'ambit-control-plane' });
}

/** Follows the Secrets until closed. */
export function watchRemoteClusters(options: RemoteClustersOptions): RemoteClusters {
  const { client, namespace, ownId, cluster, timeoutMs, log } = options;
  const entries = new Map<string, Entry>();
  const rebuilds = new Map<Connection, () => void>();
  let isListed = false;

  const open = (id: string, kubeconfig: string, digest: string): Connection => {
    const remote = options.connect(kubeconfig);
    const pods = new PodIndex();
    const queue: ObjectChange[] = [];
    let picture = new RemoteCluster(id, cluster.model.options);
    let isListedThere = false;
    let isScheduled = false;
    const isInModel = (): boolean => connection.state === 'synced';
    const takeOver = (): void => {
      const entry = entries.get(id);
      if (entry?.next !== connection) return;
      const before = entry.current;
      entry.current = connection;
      entry.next = undefined;
      connection.state = 'synced';
      cluster.setRemote(id, picture);
      before?.close();
      log.info('remote cluster synced', { cluster: id });
    };
    const run = (): void => {
      isScheduled = false;
      if (connection.state === 'closed') return;
      const batch = queue.splice(0, BATCH);
      pods.apply(batch);
      if (isInModel()) cluster.applyRemote(id, batch);
      else picture.apply(batch);
      if (queue.length > 0) schedule();
      else if (isListedThere && !isInModel()) takeOver();
    };
    const schedule = (): void => {
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(run);
    };
    const informers: Informer[] = KINDS.map((kind) =>
      startInformer({
        client: remote,
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
      if (connection.state !== 'syncing') return;
      connection.state = 'timeout';
      log.warn('remote cluster not synced in time, going on without it', { cluster: id, timeoutMs });
    }, timeoutMs);
    timer.unref();
    const connection: Connection = {
      client: remote,
      pods,
      digest,
      state: 'syncing',
      close() {
        connection.state = 'closed';
        rebuilds.delete(connection);
        clearTimeout(timer);
        for (const informer of informers) informer.close();
        remote.close();
      },
    };
    const policies = (): ObjectChange[] => POLICIES.flatMap((kind) => [...cluster.list(kind)].map(upsert));
    queue.push(...policies());
    rebuilds.set(connection, () => {
      picture = new RemoteCluster(id, cluster.model.options);
      picture.apply([...policies(), ...informers.flatMap((informer) => [...informer.list()].map(upsert))]);
      if (isInModel()) cluster.setRemote(id, picture);
    });
    const synced = Promise.all(informers.map((informer) => informer.synced)).then(() => {
      isListedThere = true;
      schedule();
    });
    synced.catch((error: unknown) => log.error('remote cluster stopped', { cluster: id, error: explain(error) }));
    return connection;
  };

  const set = (id: string, secretName: string, kubeconfig: string): void => {
    const digest = hash('sha256', kubeconfig);
    const known = entries.get(id);
    if (id === ownId || (known !== undefined && known.secretName !== secretName)) {
      log.warn('cluster id is taken, ignored', { cluster: id, secret: secretName });
      return;
    }
    if ((known?.next ?? known?.current)?.digest === digest) return;
    if (known === undefined && entries.size >= MAX_CLUSTERS) {
      log.error('too many remote clusters, ignored', { cluster: id, limit: MAX_CLUSTERS });
      return;
    }
    try {
      const next = open(id, kubeconfig, digest);
      known?.next?.close();
      if (known === undefined) entries.set(id, { secretName, current: undefined, next });
      else known.next = next;
    } catch (error) {
      log.error('remote cluster cannot be used', { cluster: id, secret: secretName, error: explain(error) });
    }
  };
  const remove = (id: string): void => {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entries.delete(id);
    entry.next?.close();
    if (entry.current === undefined) return;
    entry.current.close();
    cluster.setRemote(id, undefined);
    log.info('remote cluster removed', { cluster: id });
  };

  const takeSecret = (secretName: string, data: Readonly<Record<string, string>>): void => {
    for (const [id, entry] of entries) if (entry.secretName === secretName && !Object.hasOwn(data, id)) remove(id);
    for (const [id, value] of Object.entries(data)) set(id, secretName, Buffer.from(value, 'base64').toString('utf8'));
  };
  const secrets = startInformer({
    client,
    kind: 'Secret',
    namespace,
    labelSelector: `${LABEL}=true`,
    isOptional: true,
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete') takeSecret(`${change.namespace}/${change.name}`, {});
        else takeSecret(nameOf(change.object), clustersIn(change.object as Secret));
      }
      options.onCount?.(entries.size);
    },
  });
  secrets.synced
    .then(() => (isListed = true))
    .catch((error: unknown) => log.error('remote clusters are not followed', { error: explain(error) }));

  cluster.onChange((changes, diff) => {
    // A new model has no other clusters yet.
    if (diff === undefined) for (const rebuild of rebuilds.values()) rebuild();
    const policies = changes.filter((change) => POLICY_KINDS.has(kindOfChange(change)));
    if (policies.length === 0) return;
    for (const [id, { current, next }] of entries) {
      if (current !== undefined) cluster.applyRemote(id, policies);
      const rebuild = next && rebuilds.get(next);
      rebuild?.();
    }
  });

  return {
    get isSettled() {
      return (
        isListed &&
        [...entries.values()].every(({ current, next }) => current !== undefined || next?.state === 'timeout')
      );
    },
    get(id) {
      return entries.get(id)?.current;
    },
    infos: () =>
      [...entries].map(([id, { secretName, current, next }]) => ({
        id,
        secretName,
        syncStatus: (next ?? current)?.state ?? 'closed',
      })),
    close() {
      secrets.close();
      for (const { current, next } of entries.values()) {
        current?.close();
        next?.close();
      }
      entries.clear();
    },
  };
}

const upsert = (object: KubernetesObject): ObjectChange => ({ type: 'upsert', object });
const kindOfChange = (change: ObjectChange): string =>
  change.type === 'delete' ? change.kind : (change.object.kind ?? '');
const nameOf = ({ metadata }: KubernetesObject): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

/** Kubeconfigs by cluster id; none without the label. */
function clustersIn({ metadata, data }: Secret): Readonly<Record<string, string>> {
  return metadata.labels?.[LABEL] === 'true' ? (data ?? {}) : {};
}
