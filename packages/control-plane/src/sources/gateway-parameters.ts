// Whether the ConfigMaps exist that Gateways name in `infrastructure.parametersRef` (spec control-plane 6.4): their statuses say so on every
// replica, while only one of them deploys. In: Gateways of the cluster. Out: facts in the model. One watch per namespace that has such a
// Gateway, names only. Owned by app.ts; main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import type { Gateway, KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { ClusterState } from './cluster-state.ts';

/** Starts to follow; ends with `close`. */
export function watchGatewayParameters(client: KubeClient, cluster: ClusterState, log: Logger): { close(): void } {
  /** Names that are asked for, by namespace. */
  let wanted = new Map<string, Set<string>>();
  const informers = new Map<string, { readonly maps: Informer; isSynced: boolean }>();
  const told = new Map<string, boolean>();

  const tell = (namespace: string): void => {
    const source = informers.get(namespace);
    if (source?.isSynced !== true) return;
    for (const name of wanted.get(namespace) ?? []) {
      const key = `${namespace}/${name}`;
      const exists = source.maps.get(namespace, name) !== undefined;
      if (told.get(key) === exists) continue;
      told.set(key, exists);
      cluster.setParameters(key, exists);
    }
  };
  const open = (namespace: string): void => {
    const maps = startInformer({
      client,
      kind: 'ConfigMap',
      namespace,
      isOptional: true,
      strip: nameOnly,
      log,
      onChanges: () => tell(namespace),
    });
    const source = { maps, isSynced: false };
    informers.set(namespace, source);
    void maps.synced.then(() => {
      source.isSynced = true;
      tell(namespace);
    });
  };
  const look = (): void => {
    wanted = new Map();
    for (const gateway of cluster.list('Gateway') as Iterable<Gateway>) {
      const { kind, name } = gateway.spec?.infrastructure?.parametersRef ?? {};
      const { namespace = '' } = gateway.metadata;
      if (kind !== 'ConfigMap' || name === undefined) continue;
      const names = wanted.get(namespace) ?? new Set();
      wanted.set(namespace, names.add(name));
    }
    for (const [namespace, { maps }] of informers) {
      if (wanted.has(namespace)) continue;
      maps.close();
      informers.delete(namespace);
    }
    for (const key of told.keys()) {
      const slash = key.indexOf('/');
      if (wanted.get(key.slice(0, slash))?.has(key.slice(slash + 1)) === true) continue;
      told.delete(key);
      cluster.setParameters(key, undefined);
    }
    for (const namespace of wanted.keys()) {
      if (informers.has(namespace)) tell(namespace);
      else open(namespace);
    }
  };

  cluster.onChange((changes) => {
    if (changes.some((change) => (change.type === 'delete' ? change.kind : change.object.kind) === 'Gateway')) look();
  });
  return {
    close() {
      for (const { maps } of informers.values()) maps.close();
      informers.clear();
    },
  };
}

const nameOnly = ({ apiVersion, kind, metadata }: KubernetesObject): KubernetesObject => ({
  ...(apiVersion !== undefined && { apiVersion }),
  ...(kind !== undefined && { kind }),
  metadata: {
    ...(metadata?.name !== undefined && { name: metadata.name }),
    ...(metadata?.namespace !== undefined && { namespace: metadata.namespace }),
    ...(metadata?.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
  },
});
