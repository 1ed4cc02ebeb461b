// Other clusters of the mesh (spec control-plane 8.3): kubeconfigs of Secrets or of files name them. In: a source of kubeconfigs. Out:
// RemoteClusters in the model, and clients and pods for authentication. Owned by app.ts; main thread.
// A cluster comes into the model when all of it was listed once, is exchanged when another kubeconfig is synced, and goes when its key goes:
// a cluster that cannot be reached keeps its last state and disturbs no other. What cannot be used is listed with its reason.
import { hash } from 'node:crypto';
import { createRestClient, type KubeClient, remoteAccess } from '@ambit/kube';
import { background } from '@ambit/runtime/background';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ClusterInfo } from '../admin/debug-pages.ts';
import type { ClusterLeader } from '../led-clusters.ts';
import type { ClusterState } from './cluster-state.ts';
import type { PodIndex } from './pod-index.ts';
import { type Connection, openConnection, policiesIn, type RemoteClient } from './remote-connection.ts';
import type { OpenKubeconfigs } from './remote-secrets.ts';

/** Settings of {@link watchRemoteClusters}. */
export interface RemoteClustersOptions {
  /** Where kubeconfigs come from. */
  readonly open: OpenKubeconfigs;
  readonly ownId: string;
  readonly cluster: ClusterState;
  /** Throws KubeError for a kubeconfig that cannot be used. */
  readonly connect: (kubeconfig: string) => RemoteClient;
  /** Leads in a cluster while it is in the model. Default: nobody of ours does. */
  readonly lead?: ((id: string, client: KubeClient) => ClusterLeader) | undefined;
  readonly timeoutMs: number;
  readonly events?: RemoteClusterEvents;
  readonly log: Logger;
}

/** What is told as it happens. */
export interface RemoteClusterEvents {
  /** A Secret, or a file, was added, changed or deleted. */
  secret?(event: 'update' | 'delete'): void;
  /** The clusters as they are now, after each change of one of them. */
  clusters?(infos: readonly ClusterInfo[]): void;
}

/** The other clusters. */
export interface RemoteClusters {
  /** True when each cluster that was there at the start is synced or has had its time. */
  readonly isSettled: boolean;
  /** By id: whom to ask about tokens, and which pods run there. Only clusters that are synced. */
  get(id: string): { readonly client: KubeClient; readonly pods: PodIndex } | undefined;
  /** All that is named, what cannot be used with the reason. */
  infos(): ClusterInfo[];
  /** Settles when locks in other clusters are released. */
  close(): Promise<void>;
}

/** Most clusters; more are refused. */
const MAX_CLUSTERS = 100;

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

/** Follows the kubeconfigs until closed. */
export function watchRemoteClusters(options: RemoteClustersOptions): RemoteClusters {
  const { ownId, cluster, lead, events = {}, log } = options;
  const entries = new Map<string, Entry>();
  /** Keys that give no cluster, by origin and key. */
  const refused = new Map<string, ClusterInfo>();
  let isListed = false;

  const infos = (): ClusterInfo[] => [
    ...[...entries].map(([id, { secretName, current, next }]) => ({
      id,
      secretName,
      syncStatus: (next ?? current)?.state ?? 'closed',
    })),
    ...refused.values(),
  ];
  const tell = (): void => events.clusters?.(infos());
  const end = (connection: Connection): void => background(log, 'end of a remote cluster', connection.close());

  const takeOver = (id: string, connection: Connection): void => {
    const entry = entries.get(id);
    if (entry?.next !== connection) return;
    const before = entry.current;
    entry.current = connection;
    entry.next = undefined;
    connection.enter();
    if (before !== undefined) end(before);
    log.info('remote cluster synced', { cluster: id });
  };
  const open = (id: string, kubeconfig: string, digest: string): Connection =>
    openConnection(id, {
      client: options.connect(kubeconfig),
      digest,
      cluster,
      timeoutMs: options.timeoutMs,
      onListed: (connection) => takeOver(id, connection),
      onState: tell,
      lead: lead === undefined ? undefined : (client) => lead(id, client),
      log,
    });

  /** Why this key cannot give a cluster, if it cannot. */
  const obstacle = (id: string, secretName: string): string | undefined => {
    if (id.trim() === '') return 'its id is empty';
    if (id === ownId) return 'its id is that of this cluster';
    const known = entries.get(id);
    if (known !== undefined && known.secretName !== secretName) return `its id is taken by ${known.secretName}`;
    if (known === undefined && entries.size >= MAX_CLUSTERS) return `there are ${MAX_CLUSTERS} clusters already`;
    return undefined;
  };
  const refuse = (id: string, secretName: string, why: string): void => {
    log.error('remote cluster cannot be used', { cluster: id, secret: secretName, error: why });
    refused.set(`${secretName}/${id}`, { id, secretName, syncStatus: 'closed', error: why });
  };
  const set = (id: string, secretName: string, kubeconfig: string): void => {
    refused.delete(`${secretName}/${id}`);
    const why = obstacle(id, secretName);
    if (why !== undefined) return refuse(id, secretName, why);
    const digest = hash('sha256', kubeconfig);
    const known = entries.get(id);
    if ((known?.next ?? known?.current)?.digest === digest) return;
    try {
      const next = open(id, kubeconfig, digest);
      if (known?.next !== undefined) end(known.next);
      if (known === undefined) entries.set(id, { secretName, current: undefined, next });
      else known.next = next;
    } catch (error) {
      log.debug('kubeconfig refused', { cluster: id, error: explain(error) });
      refuse(id, secretName, messageOf(error));
    }
  };
  const remove = (id: string): void => {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entries.delete(id);
    if (entry.next !== undefined) end(entry.next);
    if (entry.current !== undefined) {
      end(entry.current);
      cluster.setRemote(id, undefined);
    }
    log.info('remote cluster removed', { cluster: id });
  };

  /** What an origin holds now. */
  const take = (origin: string, kubeconfigs: Readonly<Record<string, string>>): void => {
    const gone = [...entries].filter(([id, entry]) => entry.secretName === origin && !Object.hasOwn(kubeconfigs, id));
    for (const [id] of gone) remove(id);
    for (const [key, { id, secretName: owner }] of refused)
      if (owner === origin && !Object.hasOwn(kubeconfigs, id)) refused.delete(key);
    for (const [id, text] of Object.entries(kubeconfigs)) set(id, origin, text);
    // An id that became free goes to who had to wait for it.
    if (gone.length > 0) for (const { id, secretName: owner } of Array.from(refused.values())) retry(id, owner);
  };
  const retry = (id: string, origin: string): void => {
    const { [id]: text } = source.get(origin);
    if (text !== undefined) set(id, origin, text);
  };
  const source = options.open((origin, event) => {
    take(origin, source.get(origin));
    events.secret?.(event);
    tell();
  });
  source.synced
    .then(() => {
      isListed = true;
      tell();
    })
    .catch((error: unknown) => log.error('remote clusters are not followed', { error: explain(error) }));

  cluster.onChange((changes, diff) => {
    const open = [...entries.values()].flatMap(({ current, next }) => [current, next]);
    // A new model has no other clusters yet.
    if (diff === undefined) for (const connection of open) connection?.rebuild();
    const policies = policiesIn(changes);
    if (policies.length > 0) for (const connection of open) connection?.applyPolicies(policies);
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
    infos,
    async close() {
      source.close();
      const open = [...entries.values()].flatMap(({ current, next }) => [current, next]);
      entries.clear();
      await Promise.all(open.map(async (connection) => connection?.close()));
    },
  };
}
