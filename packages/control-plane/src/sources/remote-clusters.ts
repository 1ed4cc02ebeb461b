// Other clusters of the mesh (spec control-plane 8.3): each key of a Secret with label istio/multiCluster=true is a cluster id, its value a
// kubeconfig. In: Secrets. Out: RemoteClusters in the model, and clients and pods for authentication. Owned by app.ts; main thread.
// A cluster comes into the model when all of it was listed once, is exchanged when another kubeconfig is synced, and goes when its key goes:
// a cluster that cannot be reached keeps its last state and disturbs no other. What cannot be used is listed with its reason.
import { hash } from 'node:crypto';
import { createRestClient, type KubeClient, remoteAccess, startInformer } from '@ambit/kube';
import type { KubernetesObject, Secret } from '@ambit/resources';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ClusterInfo } from '../admin/debug-pages.ts';
import type { ClusterState } from './cluster-state.ts';
import type { PodIndex } from './pod-index.ts';
import { type Connection, openConnection, policiesIn, type RemoteClient } from './remote-connection.ts';

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
  readonly events?: RemoteClusterEvents;
  readonly log: Logger;
}

/** What is told as it happens. */
export interface RemoteClusterEvents {
  /** A Secret was added, changed or deleted. */
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
  /** All that Secrets name, those that cannot be used with the reason. */
  infos(): ClusterInfo[];
  close(): void;
}

const LABEL = 'istio/multiCluster';
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

/** Follows the Secrets until closed. */
export function watchRemoteClusters(options: RemoteClustersOptions): RemoteClusters {
  const { client, namespace, ownId, cluster, events = {}, log } = options;
  const entries = new Map<string, Entry>();
  /** Keys that give no cluster, by Secret and key. */
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

  const takeOver = (id: string, connection: Connection): void => {
    const entry = entries.get(id);
    if (entry?.next !== connection) return;
    const before = entry.current;
    entry.current = connection;
    entry.next = undefined;
    connection.enter();
    before?.close();
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
      log,
    });

  /** Why this key cannot give a cluster, if it cannot. */
  const obstacle = (id: string, secretName: string): string | undefined => {
    if (id.trim() === '') return 'its id is empty';
    if (id === ownId) return 'its id is that of this cluster';
    const known = entries.get(id);
    if (known !== undefined && known.secretName !== secretName) return `its id is taken by Secret ${known.secretName}`;
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
      known?.next?.close();
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
    entry.next?.close();
    if (entry.current !== undefined) {
      entry.current.close();
      cluster.setRemote(id, undefined);
    }
    log.info('remote cluster removed', { cluster: id });
  };

  const takeSecret = (secretName: string, data: Readonly<Record<string, string>>): void => {
    const gone = [...entries].filter(([id, entry]) => entry.secretName === secretName && !Object.hasOwn(data, id));
    for (const [id] of gone) remove(id);
    for (const [key, { id, secretName: owner }] of refused)
      if (owner === secretName && !Object.hasOwn(data, id)) refused.delete(key);
    for (const [id, value] of Object.entries(data)) set(id, secretName, kubeconfigOf(value));
    // An id that became free goes to a Secret that had to wait for it.
    if (gone.length > 0) for (const { id, secretName: owner } of Array.from(refused.values())) retry(id, owner);
  };
  const retry = (id: string, secretName: string): void => {
    const [from = '', name = ''] = secretName.split('/');
    const value = clustersIn(secrets.get(from, name) as Secret | undefined)[id];
    if (value !== undefined) set(id, secretName, kubeconfigOf(value));
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
        events.secret?.(change.type === 'delete' ? 'delete' : 'update');
      }
      tell();
    },
  });
  secrets.synced
    .then(() => (isListed = true))
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

const nameOf = ({ metadata }: KubernetesObject): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
const kubeconfigOf = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** Kubeconfigs by cluster id; none without the label. */
function clustersIn(secret: Secret | undefined): Readonly<Record<string, string>> {
  return secret?.metadata.labels?.[LABEL] === 'true' ? (secret.data ?? {}) : {};
}
