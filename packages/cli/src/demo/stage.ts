// What the steps of the tour work with. Made by bring-up.ts, ended by demo.ts.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { LaunchedCluster } from '../local/launch.ts';
import type { LoadClient } from './load-client.ts';

/** Name of the demo's cluster. */
export const demoName = 'demo';

/** Namespace of the sample application. */
export const shop = 'bookinfo';

/** Namespace of the mesh. */
export const meshNamespace = 'istio-system';

/** A running demo. */
export interface Stage {
  readonly api: ClusterApi;
  readonly cluster: LaunchedCluster;
  readonly load: LoadClient;
  readonly pageUrl: string;
  /** Time from the start of the command to the first page, in milliseconds. */
  readonly bringUpMs: number;
  readonly signal: AbortSignal;
  /** Facts that a later step needs from an earlier one. */
  readonly notes: Map<string, string>;
}

/** True when pods have network namespaces and production redirection. */
export const hasRedirection = (stage: Stage): boolean => stage.cluster.description.mode === 'netns';
