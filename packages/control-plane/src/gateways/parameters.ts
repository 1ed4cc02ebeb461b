// ConfigMaps that customise Gateways: those that Gateways name and the defaults of their classes (spec control-plane 6.4).
// In: the API. Out: overlay data of a Gateway, and calls when it changes. Only ConfigMaps that are named are watched.
// Owned by deployer.ts; main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import type { ConfigMap, Gateway } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import { type OverlayData, parametersOf } from './overlays.ts';
import { PatchError } from './strategic-merge.ts';

const DEFAULTS_LABEL = 'gateway.istio.io/defaults-for-class';

/** The source of overlays. Close it when the deployer stops. */
export interface Parameters {
  /** Overlays in order: class, then Gateway. Rejects with PatchError when the Gateway names what is not there. */
  overlaysOf(gateway: Gateway): Promise<readonly OverlayData[]>;
  close(): void;
}

/** Where and whom to tell. */
export interface ParametersOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly log: Logger;
  /** Something that any Gateway may use changed. */
  readonly onChange: () => void;
}

/** Starts watching class defaults; ConfigMaps of Gateways follow when they are asked for. */
export function watchParameters({ client, systemNamespace, log, onChange }: ParametersOptions): Parameters {
  const watch = (namespace: string, select: { fieldSelector: string } | { labelSelector: string }): Informer =>
    startInformer({ client, kind: 'ConfigMap', namespace, log, ...select, onChanges: onChange });
  const defaults = watch(systemNamespace, { labelSelector: DEFAULTS_LABEL });
  const named = new Map<string, Informer>();

  return {
    async overlaysOf(gateway) {
      const overlays: OverlayData[] = [];
      await defaults.synced;
      const className = gateway.spec?.gatewayClassName ?? '';
      const [oldest] = ([...defaults.list()] as ConfigMap[])
        .filter((map) => map.metadata.labels?.[DEFAULTS_LABEL] === className)
        .toSorted((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1));
      if (oldest !== undefined) overlays.push(oldest.data ?? {});
      const ref = parametersOf(gateway);
      if (ref === undefined) return overlays;
      const key = `${ref.namespace}/${ref.name}`;
      let informer = named.get(key);
      if (informer === undefined) {
        named.set(key, (informer = watch(ref.namespace, { fieldSelector: `metadata.name=${ref.name}` })));
      }
      await informer.synced;
      const map = informer.get(ref.namespace, ref.name) as ConfigMap | undefined;
      if (map === undefined) throw new PatchError(`parametersRef ConfigMap ${key} does not exist`);
      return [...overlays, map.data ?? {}];
    },
    close() {
      for (const informer of [defaults, ...named.values()]) informer.close();
    },
  };
}

const ageKey = ({ metadata }: ConfigMap): string => `${metadata.creationTimestamp ?? ''}\0${metadata.name ?? ''}`;
