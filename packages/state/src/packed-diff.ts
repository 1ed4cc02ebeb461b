// A diff in few, flat pieces. In: a diff of the store. Out: plain data that is cheap to write and read for another thread, and the diff
// again. Called by the node proxy, which hands one packed diff to all its data threads. Pure.
//
// A structured clone of a hundred thousand records writes and reads each field name and text again for every thread. Here each text
// and each equal part (memberships, a waypoint) is there once, and a workload is a row of numbers that point at them.

import type { StateDiff } from './diff.ts';
import type { Workload } from './workload.ts';

/** Fields that are texts, in the order of their columns. */
const TEXTS = [
  'uid',
  'name',
  'namespace',
  'hostname',
  'network',
  'protocol',
  'trustDomain',
  'serviceAccount',
  'node',
  'canonicalName',
  'canonicalRevision',
  'workloadType',
  'workloadName',
  'clusterId',
] as const satisfies readonly (keyof Workload)[];

/** Fields that are objects, lists, or absent; their columns follow. */
const PARTS = [
  'ips',
  'waypoint',
  'networkGateway',
  'applicationTunnel',
  'services',
  'authorizationPolicies',
  'locality',
] as const satisfies readonly (keyof Workload)[];

/** Numbers per workload: texts, parts, one for all flags, capacity. */
const COLUMNS = TEXTS.length + PARTS.length + 2;

/** A diff of {@link packDiff}; plain data without a promise of its shape. */
export interface PackedDiff {
  readonly rest: Omit<StateDiff, 'workloads'>;
  readonly removed: readonly string[];
  readonly texts: readonly string[];
  /** As JSON; an absent one is the empty text. */
  readonly parts: readonly string[];
  readonly rows: Uint32Array;
}

/** Packs a diff. */
export function packDiff(diff: StateDiff): PackedDiff {
  const { workloads, ...rest } = diff;
  const texts = new Map<string, number>();
  const parts = new Map<string, number>();
  const rows = new Uint32Array(workloads.upsert.length * COLUMNS);
  let at = 0;
  for (const workload of workloads.upsert) {
    for (const field of TEXTS) rows[at++] = numberOf(texts, workload[field]);
    for (const field of PARTS) rows[at++] = numberOf(parts, JSON.stringify(workload[field]) ?? '');
    rows[at++] = (workload.nativeTunnel ? 4 : 0) + (workload.healthy ? 2 : 0) + (workload.hostNetwork ? 1 : 0);
    // Larger ones come only from a local file; a weight of four thousand million is as good.
    rows[at++] = Math.min(workload.capacity, 0xffff_ffff);
  }
  return { rest, removed: workloads.remove, texts: [...texts.keys()], parts: [...parts.keys()], rows };
}

/** The diff of {@link packDiff}; equal texts and parts are one value. */
export function unpackDiff(packed: PackedDiff): StateDiff {
  const { rest, removed, texts, parts: partTexts, rows } = packed;
  const parts = partTexts.map((text): unknown => (text === '' ? undefined : JSON.parse(text)));
  const upsert: Workload[] = [];
  let at = 0;
  const text = <T extends string>(): T => texts[rows[at++] as number] as T;
  const part = <T>(): T => parts[rows[at++] as number] as T;
  // One literal, in the order of the columns: fields that are set one by one by name take V8 ten times as long.
  while (at < rows.length) {
    const flags = rows[at + COLUMNS - 2] as number;
    const capacity = rows[at + COLUMNS - 1] as number;
    upsert.push({
      uid: text(),
      name: text(),
      namespace: text(),
      hostname: text(),
      network: text(),
      protocol: text(),
      trustDomain: text(),
      serviceAccount: text(),
      node: text(),
      canonicalName: text(),
      canonicalRevision: text(),
      workloadType: text(),
      workloadName: text(),
      clusterId: text(),
      ips: part(),
      waypoint: part(),
      networkGateway: part(),
      applicationTunnel: part(),
      services: part(),
      authorizationPolicies: part(),
      locality: part(),
      nativeTunnel: (flags & 4) !== 0,
      healthy: (flags & 2) !== 0,
      hostNetwork: (flags & 1) !== 0,
      capacity,
    });
    at += 2;
  }
  return { ...rest, workloads: { upsert, remove: removed } };
}

function numberOf(known: Map<string, number>, text: string): number {
  const held = known.get(text);
  if (held !== undefined) return held;
  known.set(text, known.size);
  return known.size - 1;
}
