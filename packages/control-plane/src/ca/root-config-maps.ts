// The root certificate as a ConfigMap in every namespace (spec control-plane 5.7). Runs while this replica leads; restores what
// is changed or deleted. In: namespaces and ConfigMaps. Out: writes. Main thread.
import { type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { ConfigMap } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';

/** Namespaces that never get one. */
const SKIPPED = new Set(['kube-public', 'kube-node-lease', 'local-path-storage']);
const KEY = 'root-cert.pem';

/** Settings of {@link distributeRoots}. */
export interface RootDistributionOptions {
  readonly client: KubeClient;
  /** Name of the ConfigMap. */
  readonly name: string;
  readonly rootPem: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Keeps the ConfigMap right in every namespace until `signal` aborts. */
export function distributeRoots({ client, name, rootPem, log, signal }: RootDistributionOptions): void {
  const namespaces = new Set<string>();
  const queue = new Set<string>();
  let isRunning = false;

  const ensure = async (namespace: string): Promise<void> => {
    const found = await client.get({ kind: 'ConfigMap', namespace, name });
    if (found?.data?.[KEY] === rootPem && found.metadata.labels?.['istio.io/config'] === 'true') return;
    const map: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      ...found,
      metadata: {
        ...found?.metadata,
        name,
        namespace,
        labels: { ...found?.metadata.labels, 'istio.io/config': 'true' },
      },
      data: { ...found?.data, [KEY]: rootPem },
    };
    if (found === undefined) await client.create(map);
    else await client.update(map);
  };
  const drain = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    try {
      for (const namespace of queue) {
        queue.delete(namespace);
        if (signal.aborted || !namespaces.has(namespace)) continue;
        try {
          await ensure(namespace);
        } catch (error) {
          // Forbidden and terminating namespaces are skipped; everything else is tried again.
          if (KubeError.is(error, 'ERR_KUBE_FORBIDDEN', 'ERR_KUBE_NOT_FOUND')) continue;
          retryLater(namespace);
        }
      }
    } finally {
      isRunning = false;
    }
  };
  const want = (namespace: string): void => {
    if (SKIPPED.has(namespace)) return;
    queue.add(namespace);
    background(log, 'root certificate distribution', drain());
  };
  const retryLater = (namespace: string): void => {
    setTimeout(() => want(namespace), 1_000).unref();
  };

  const watchNamespaces = startInformer({
    client,
    kind: 'Namespace',
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete') namespaces.delete(change.name);
        else {
          const namespace = change.object.metadata?.name ?? '';
          if (change.object.metadata?.deletionTimestamp !== undefined) namespaces.delete(namespace);
          else {
            namespaces.add(namespace);
            want(namespace);
          }
        }
      }
    },
  });
  const watchMaps = startInformer({
    client,
    kind: 'ConfigMap',
    fieldSelector: `metadata.name=${name}`,
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete') {
          if (change.name === name) want(change.namespace);
        } else if (change.object.metadata?.name === name && (change.object as ConfigMap).data?.[KEY] !== rootPem) {
          want(change.object.metadata.namespace ?? '');
        }
      }
    },
  });
  signal.addEventListener('abort', () => {
    watchNamespaces.close();
    watchMaps.close();
  });
}
