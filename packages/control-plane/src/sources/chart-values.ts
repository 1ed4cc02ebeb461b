// The chart values that upstream's charts leave in the ConfigMap `istio-sidecar-injector` -> values of waypoints. Watched: a
// change takes effect without a restart. Without that ConfigMap the defaults hold. Main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import type { ConfigMap } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { waypointValues, type WaypointValues } from '../gateways/waypoint-values.ts';

/** The values in force, and the way to stop watching. */
export interface ChartValues {
  readonly current: WaypointValues;
  close(): void;
}

/** Starts watching. */
export function watchChartValues(client: KubeClient, namespace: string, revision: string, log: Logger): ChartValues {
  const name =
    revision === '' || revision === 'default' ? 'istio-sidecar-injector' : `istio-sidecar-injector-${revision}`;
  let current = waypointValues({});
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
          current = waypointValues(JSON.parse((change.object as ConfigMap).data?.['values'] ?? '{}'));
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
    close: () => informer.close(),
  };
}
