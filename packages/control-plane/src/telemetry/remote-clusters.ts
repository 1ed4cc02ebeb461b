// Series about the clusters of the mesh, under upstream's names (spec control-plane 9.3). In: what remote-clusters.ts tells. Out: series: one
// sample per cluster and state, those of clusters that are gone read 0 in every state. Main thread. Called by metrics.ts.
import type { MetricsRegistry } from '@ambit/runtime/metrics';
import type { ClusterInfo } from '../admin/debug-pages.ts';
import type { RemoteClusterEvents } from '../sources/remote-clusters.ts';

const STATES = ['synced', 'syncing', 'timeout', 'closed'] as const;

/** Registers the series. */
export function remoteClusterEvents(registry: MetricsRegistry): Required<RemoteClusterEvents> {
  const managed = registry.gauge({
    name: 'istiod_managed_clusters',
    help: 'Clusters that are watched.',
    labels: ['cluster_type'],
  });
  managed.set({ cluster_type: 'local' }, 1);
  managed.set({ cluster_type: 'remote' }, 0);
  const status = registry.gauge({
    name: 'istiod_remote_cluster_sync_status',
    help: 'State of the other clusters: 1 for the one that a cluster is in.',
    labels: ['cluster', 'cluster_type', 'state'],
  });
  const timeouts = registry.counter({
    name: 'remote_cluster_sync_timeouts_total',
    help: 'Clusters that were not read in time, so that the start went on without.',
    labels: ['cluster'],
  });
  const secrets = registry.counter({
    name: 'remote_cluster_secret_events_total',
    help: 'Changes of Secrets that name other clusters.',
    labels: ['event'],
  });
  const known = new Map<string, ClusterInfo['syncStatus'] | undefined>();
  return {
    secret: (event) => secrets.add({ event }),
    clusters(infos) {
      const usable = infos.filter(({ error }) => error === undefined);
      managed.set({ cluster_type: 'remote' }, usable.length);
      const now = new Map(usable.map(({ id, syncStatus }) => [id, syncStatus]));
      for (const cluster of new Set([...known.keys(), ...now.keys()])) {
        const state = now.get(cluster);
        if (state === 'timeout' && known.get(cluster) !== state) timeouts.add({ cluster });
        known.set(cluster, state);
        for (const one of STATES) status.set({ cluster, cluster_type: 'remote', state: one }, one === state ? 1 : 0);
      }
    },
  };
}
