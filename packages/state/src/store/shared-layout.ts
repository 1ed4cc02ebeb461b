// How workloads lie in shared memory: what shared-workloads-writer.ts writes and shared-workloads.ts reads.

/** Columns of texts, then of parts, flags and capacity. */
export const COLUMN = {
  uid: 0,
  name: 1,
  namespace: 2,
  hostname: 3,
  network: 4,
  protocol: 5,
  trustDomain: 6,
  serviceAccount: 7,
  node: 8,
  canonicalName: 9,
  canonicalRevision: 10,
  workloadType: 11,
  workloadName: 12,
  clusterId: 13,
  ips: 14,
  waypoint: 15,
  networkGateway: 16,
  applicationTunnel: 17,
  services: 18,
  authorizationPolicies: 19,
  locality: 20,
  flags: 21,
  capacity: 22,
} as const;
/** Numbers per workload. */
export const COLUMNS = 23;
/** Flags. */
export const NATIVE_TUNNEL = 4;
export const HEALTHY = 2;
export const HOST_NETWORK = 1;
/** A weight of four thousand million is as good as more; those come only from a local file. */
export const MAX_CAPACITY = 0xffff_ffff;

/** Numbers at the start of the memory: places of the sections, in numbers. */
export const HEAD = { rows: 0, rowCount: 1, offsets: 2, bytes: 3, indices: 4 } as const;
/** Indices in the order in which their places follow. */
export const INDICES = ['uid', 'address', 'hostname', 'service'] as const;
/** Name of an index. */
export type IndexName = (typeof INDICES)[number];
/** Numbers before the sections. */
export const HEAD_SIZE = HEAD.indices + INDICES.length;

/** FNV-1a over the UTF-16 units. */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
