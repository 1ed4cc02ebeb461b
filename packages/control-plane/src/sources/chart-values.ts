// The chart values that upstream's charts leave in the ConfigMap `istio-sidecar-injector` -> values of gateways. Watched: a
// change takes effect without a restart. Without that ConfigMap the defaults hold. Main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import type { ConfigMap } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { gatewayValues, type GatewayValues } from '../gateways/gateway-values.ts';

/** The values in force, and the way to stop watching. */
export interface ChartValues {
  readonly current: GatewayValues;
  onChange(listener: () => void): void;
  close(): void;
}

/** Starts watching. */
export function watchChartValues(client: KubeClient, namespace: string, revision: string, log: Logger): ChartValues {
  const name =
    revision === '' || revision === 'default' ? 'istio-sidecar-injector' : `istio-sidecar-injector-${revision}`;
  let current = gatewayValues({});
  const listeners: (() => void)[] = [];
  const informer: Informer = startInformer({
    client,
    kind: 'ConfigMap',
    namespace,
    fieldSelector: `metadata.name=${name}`,
    log,
    onChanges(changes) {
      for (const change of changes) {
        if (change.type === 'delete' || change.object.metadata?.name !== name) continue;
        try {
          current = gatewayValues(JSON.parse((change.object as ConfigMap).data?.['values'] ?? '{}'));
          for (const listener of listeners) listener();
        } catch (error) {
          log.error('chart values cannot be read, keeping the last good ones', { error: messageOf(error) });
        }
      }
    },
  });
  return {
    get current() {
      return current;
    },
    onChange: (listener) => void listeners.push(listener),
    close: () => informer.close(),
  };
}
