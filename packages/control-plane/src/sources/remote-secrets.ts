// Kubeconfigs of other clusters in Secrets with label istio/multiCluster=true (spec control-plane 8.3 M1): each key is a cluster id, its value a
// kubeconfig. In: a client and a namespace. Out: what there is, and calls when it changes. Called by remote-clusters.ts; main thread.
import { type KubeClient, startInformer } from '@ambit/kube';
import type { Secret } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';

const LABEL = 'istio/multiCluster';

/** Where kubeconfigs come from. */
export interface KubeconfigSource {
  /** Settles when all that was there at the start was told. */
  readonly synced: Promise<void>;
  /** Kubeconfigs by cluster id that an origin (a Secret, a file) holds now; none when it is gone. */
  get(origin: string): Readonly<Record<string, string>>;
  close(): void;
}

/** Opens a source; `onChange` is told which origin changed, and whether it is gone. */
export type OpenKubeconfigs = (onChange: (origin: string, event: 'update' | 'delete') => void) => KubeconfigSource;

/** Settings of {@link openRemoteSecrets}. */
export interface RemoteSecretsOptions {
  readonly client: KubeClient;
  /** The system namespace. */
  readonly namespace: string;
  readonly log: Logger;
}

/** Follows the Secrets; their origins are `<namespace>/<name>`. */
export function openRemoteSecrets({ client, namespace, log }: RemoteSecretsOptions): OpenKubeconfigs {
  return (onChange) => {
    const secrets = startInformer({
      client,
      kind: 'Secret',
      namespace,
      labelSelector: `${LABEL}=true`,
      isOptional: true,
      log,
      onChanges(changes) {
        for (const change of changes) {
          if (change.type === 'delete') onChange(`${change.namespace}/${change.name}`, 'delete');
          else onChange(`${change.object.metadata?.namespace ?? ''}/${change.object.metadata?.name ?? ''}`, 'update');
        }
      },
    });
    return {
      synced: secrets.synced,
      get(origin) {
        const [from = '', name = ''] = origin.split('/');
        return clustersIn(secrets.get(from, name) as Secret | undefined);
      },
      close: () => secrets.close(),
    };
  };
}

/** Kubeconfigs by cluster id; none without the label. */
function clustersIn(secret: Secret | undefined): Readonly<Record<string, string>> {
  if (secret?.metadata.labels?.[LABEL] !== 'true') return {};
  const entries = Object.entries(secret.data ?? {});
  return Object.fromEntries(entries.map(([id, base64]) => [id, Buffer.from(base64, 'base64').toString('utf8')]));
}
