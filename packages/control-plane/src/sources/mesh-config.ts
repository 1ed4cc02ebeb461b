// The ConfigMap `istio` -> options of the translation. Watched: a change takes effect without a restart. Main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import { meshConfigOptions } from '@ambit/model/mesh-config';
import type { ModelOptions } from '@ambit/model';
import { type ConfigMap, parseDocuments } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ControlPlaneConfig } from '../config.ts';

/** What the mesh configuration says to the parts of this app. */
export interface MeshSettings {
  /** For the translation. */
  readonly options: ModelOptions;
  /** `defaultConfig`: settings of deployed proxies. */
  readonly proxyConfig: Json;
  /** `caCertificates`: roots of external signers. */
  readonly caCertificates: readonly CaCertificate[];
}

/** One entry of `caCertificates`. */
export interface CaCertificate {
  readonly pem: string;
  /** Full names of the signers that it belongs to; empty = all. */
  readonly certSigners: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** Settings from a mesh configuration text; broken text gives undefined, and the last good ones stay. */
export function settingsOf(config: ControlPlaneConfig, text: string, log: Logger): MeshSettings | undefined {
  try {
    const mesh = mapOf(parseDocuments(text)[0]);
    const options = meshConfigOptions(mesh, {
      flags: config.flags,
      clusterId: config.CLUSTER_ID,
      revision: config.REVISION,
      systemNamespace: config.POD_NAMESPACE,
      domain: config.domain,
    });
    return { options, proxyConfig: mapOf(mesh['defaultConfig']), caCertificates: caCertificatesOf(mesh) };
  } catch (error) {
    log.error('mesh configuration cannot be read, keeping the last good one', { error: messageOf(error) });
    return undefined;
  }
}

/** Entries that hold a certificate; others (`spiffeBundleUrl`) are left out, no call leaves the cluster (decision D4). */
function caCertificatesOf(mesh: Json): readonly CaCertificate[] {
  const entries = Array.isArray(mesh['caCertificates']) ? (mesh['caCertificates'] as unknown[]) : [];
  return entries.map(mapOf).flatMap(({ pem, certSigners }) => {
    const signers = Array.isArray(certSigners) ? (certSigners as unknown[]).filter((s) => typeof s === 'string') : [];
    return typeof pem === 'string' && pem !== '' ? [{ pem, certSigners: signers }] : [];
  });
}

/** Name of the ConfigMap of a revision. */
export function meshConfigName(revision: string): string {
  return revision === '' || revision === 'default' ? 'istio' : `istio-${revision}`;
}

/** The mesh configuration text of a ConfigMap; empty when there is none. */
export function meshTextOf(map: ConfigMap | undefined): string {
  return map?.data?.['mesh'] ?? '';
}

/** Calls `onSettings` whenever the mesh configuration changes to something else that can be read. */
export function watchMeshConfig(
  client: KubeClient,
  config: ControlPlaneConfig,
  initial: MeshSettings,
  log: Logger,
  onSettings: (settings: MeshSettings) => void,
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
        const settings = settingsOf(config, meshTextOf(change.object as ConfigMap), log);
        if (settings === undefined || JSON.stringify(settings) === last) continue;
        last = JSON.stringify(settings);
        log.info('mesh configuration changed', { configMap: name });
        onSettings(settings);
      }
    },
  });
}

const mapOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
