// The dashboards of the mesh, under uids of our own, so that the stock ones can stay beside them. They read the waypoint's series too,
// which the stock dashboards of services and workloads ignore (spec user-tools 4.4, MET-3). Called by the generator and by tests.
import { controlPlane } from './control-plane-dashboard.ts';
import { mesh } from './mesh-dashboard.ts';
import { nodeProxies } from './node-proxy-dashboard.ts';
import type { Dashboard } from './panel.ts';
import { workloads } from './workload-dashboard.ts';

/** All dashboards. */
export const dashboards: readonly Dashboard[] = [mesh, workloads, nodeProxies, controlPlane];
