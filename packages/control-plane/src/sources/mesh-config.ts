// The ConfigMap `istio` -> options of the translation. Watched: a change takes effect without a restart. Main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import { meshConfigOptions } from '@ambit/model/mesh-config';
import type { ModelOptions } from '@ambit/model';
import { type ConfigMap, parseDocuments } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ControlPlaneConfig } from '../config.ts';

/** Options from a mesh configuration text; broken text gives undefined, and the last good options stay. */
export function optionsOf(config: ControlPlaneConfig, text: string, log: Logger): ModelOptions | undefined {
  try {
    const mesh = parseDocuments(text)[0] ?? {};
    return meshConfigOptions(mesh as Readonly<Record<string, unknown>>, {
      flags: config.flags,
      clusterId: config.CLUSTER_ID,
      revision: config.REVISION,
      systemNamespace: config.POD_NAMESPACE,
      domain: config.domain,
    });
  } catch (error) {
    log.error('mesh configuration cannot be read, keeping the last good one', { error: messageOf(error) });
    return undefined;
  }
}

/** Name of the ConfigMap of a revision. */
export function meshConfigName(revision: string): string {
  return revision === '' || revision === 'default' ? 'istio' : `istio-${revision}`;
}

/** The mesh configuration text of a ConfigMap; empty when there is none. */
export function meshTextOf(map: ConfigMap | undefined): string {
  return map?.data?.['mesh'] ?? '';
}

/** Calls `onOptions` whenever the mesh configuration changes to something else that can be read. */
export function watchMeshConfig(
  client: KubeClient,
  config: ControlPlaneConfig,
  initial: ModelOptions,
  log: Logger,
  onOptions: (options: ModelOptions) => void,
): Informer {
  const name = meshConfigName(config.REVISION);
  let last = JSON.stringify(initial);
  return startInformer({
    client,
    kind: 'ConfigMap',
    namespace: config.POD_NAMESPACE,
    fieldSelector: `metadata.name=${name}`,
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete' || change.object.metadata?.name !== name) continue;
        const options = optionsOf(config, meshTextOf(change.object as ConfigMap), log);
        if (options === undefined || JSON.stringify(options) === last) continue;
        last = JSON.stringify(options);
        log.info('mesh configuration changed', { configMap: name });
        onOptions(options);
      }
    },
  });
}
