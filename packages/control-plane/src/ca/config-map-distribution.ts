// Root certificates and revocation lists as a ConfigMap in every namespace (spec control-plane 5.7 C1, C2). Runs while this replica
// leads; restores what is changed or deleted. In: namespaces and ConfigMaps. Out: writes. Main thread.
import { type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { ConfigMap, Namespace } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';

/** Namespaces that never get one. */
const SKIPPED = new Set(['kube-public', 'kube-node-lease', 'local-path-storage']);

/** Settings of {@link distributeText}. */
export interface DistributionOptions {
  readonly client: KubeClient;
  /** Name of the ConfigMap. */
  readonly name: string;
  /** Data key; other keys of the ConfigMap are kept. */
  readonly key: string;
  /** What the key shall hold; asked at every look. */
  readonly text: () => string;
  /** Whether a namespace gets one, asked at every look. Default: all but a few of Kubernetes' own. What a namespace has already stays there. */
  readonly isIncluded?: (namespace: Namespace) => boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A running distribution. */
export interface Distribution {
  /** Looks at every namespace again: the text changed, or which namespaces are included. */
  refresh(): void;
}

/** Keeps the ConfigMap right in every namespace until `signal` aborts. */
export function distributeText(options: DistributionOptions): Distribution {
  const { client, name, key, text, log, signal, isIncluded = () => true } = options;
  const namespaces = new Map<string, Namespace>();
  const queue = new Set<string>();
  let isRunning = false;

  const ensure = async (namespace: string): Promise<void> => {
    const found = await client.get({ kind: 'ConfigMap', namespace, name });
    if (found?.data?.[key] === text() && found.metadata.labels?.['istio.io/config'] === 'true') return;
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
      data: { ...found?.data, [key]: text() },
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
        const known = namespaces.get(namespace);
        if (signal.aborted || known === undefined || !isIncluded(known)) continue;
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
    background(log, 'distribution of certificates', drain());
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
          const isGone = change.object.metadata?.deletionTimestamp !== undefined;
          if (isGone) namespaces.delete(namespace);
          else {
            namespaces.set(namespace, change.object as Namespace);
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
        } else if (change.object.metadata?.name === name && (change.object as ConfigMap).data?.[key] !== text()) {
          want(change.object.metadata.namespace ?? '');
        }
      }
    },
  });
  signal.addEventListener('abort', () => {
    watchNamespaces.close();
    watchMaps.close();
  });
  return {
    refresh() {
      for (const namespace of namespaces.keys()) want(namespace);
    },
  };
}
