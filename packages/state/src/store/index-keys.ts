// By which keys a workload is found, and before which others. Called by build-snapshot.ts and shared-workloads.ts; pure.

import { addressKey } from '../ip.ts';
import type { Workload } from '../workload.ts';

/** Keys by which an address finds a workload; none for one in the host's network. */
export function addressKeysOf(workload: Workload): string[] {
  return workload.hostNetwork ? [] : workload.ips.map((ip) => addressKey(workload.network, ip));
}

/** Key by which its own host name finds a workload. */
export function hostnameKey(workload: Workload): string {
  return `${workload.namespace}/${workload.hostname}`;
}

/** Among workloads at one address the highest is found first (spec/node-proxy.md 5.1). */
export function addressRank(workload: Workload): number {
  const isHbone = workload.protocol === 'HBONE';
  if (workload.uid.includes('//Pod/')) return isHbone ? 3 : 2;
  return isHbone ? 1 : 0;
}
