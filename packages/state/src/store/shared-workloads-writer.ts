// Workloads and their indices into memory that every thread reads. In: a snapshot, or workloads as they come. Out: the memory.
// Called by store.ts; the thread that writes.

import type { Snapshot } from '../snapshot.ts';
import type { ShardedMap } from '../sharded-map.ts';
import type { Workload } from '../workload.ts';
import { addressKeysOf, addressRank, hostnameKey } from './index-keys.ts';
import {
  COLUMN,
  COLUMNS,
  HEAD,
  HEAD_SIZE,
  HEALTHY,
  HOST_NETWORK,
  INDICES,
  type IndexName,
  NATIVE_TUNNEL,
  hashOf,
  MAX_CAPACITY,
} from './shared-layout.ts';

/** UTF-8 of a UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;
/** Texts that the writer remembers to write an equal one only once; beyond that it begins anew. */
const REMEMBERED_TEXTS = 65_536;

/** Writes the workloads of a snapshot and their indices. */
export function writeSharedWorkloads(snapshot: Snapshot): SharedArrayBuffer {
  const writer = new RowWriter();
  for (const workload of snapshot.workloads.values()) writer.add(workload);
  const rowsAt = (map: ShardedMap<readonly Workload[]>): Lists =>
    new Map([...map.keys()].map((key) => [key, (map.get(key) ?? []).map(({ uid }) => writer.rowOf(uid))]));
  const { endpoints } = snapshot;
  const membersOf = (key: string): readonly number[] =>
    [...(endpoints.get(key)?.keys() ?? [])].map((uid) => writer.rowOf(uid));
  return writer.finish({
    address: rowsAt(snapshot.workloadsByAddress),
    hostname: rowsAt(snapshot.workloadsByHostname),
    service: new Map([...endpoints.keys()].map((key) => [key, membersOf(key)])),
  });
}

/** Rows by key, in the order in which a look answers them. */
type Lists = ReadonlyMap<string, readonly number[]>;

/**
 * Writes workloads as they come, without a record of any left behind: the first response of a control plane. The same as a snapshot of
 * them that is written afterwards.
 */
export class SharedWorkloadsWriter {
  readonly #writer = new RowWriter();
  readonly #ranks: number[] = [];
  readonly #address = new Map<string, number[]>();
  readonly #hostname = new Map<string, number[]>();
  readonly #service = new Map<string, number[]>();

  get size(): number {
    return this.#writer.size;
  }

  /** Adds one. False, and nothing is added, for one that is there: which of the two counts is not decided here. */
  add(workload: Workload): boolean {
    if (this.#writer.has(workload.uid)) return false;
    const row = this.#writer.add(workload);
    const rank = addressRank(workload);
    this.#ranks.push(rank);
    for (const key of addressKeysOf(workload)) {
      const list = listOf(this.#address, key);
      if (list.includes(row)) continue;
      const at = list.findIndex((other) => (this.#ranks[other] ?? 0) <= rank);
      list.splice(at < 0 ? list.length : at, 0, row);
    }
    if (workload.hostname !== '') listOf(this.#hostname, hostnameKey(workload)).push(row);
    for (const key of Object.keys(workload.services)) listOf(this.#service, key).push(row);
    return true;
  }

  /** The memory. Not usable afterwards. */
  finish(): SharedArrayBuffer {
    return this.#writer.finish({ address: this.#address, hostname: this.#hostname, service: this.#service });
  }
}

function listOf(lists: Map<string, number[]>, key: string): number[] {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const made: number[] = [];
  lists.set(key, made);
  return made;
}

/** Collects rows and texts. */
class RowWriter {
  readonly #rowOf = new Map<string, number>();
  readonly #texts = new TextWriter();
  #rows = new Uint32Array(COLUMNS * 1024);

  get size(): number {
    return this.#rowOf.size;
  }

  has(uid: string): boolean {
    return this.#rowOf.has(uid);
  }

  rowOf(uid: string): number {
    return this.#rowOf.get(uid) ?? 0;
  }

  add(workload: Workload): number {
    const row = this.#rowOf.size;
    this.#rowOf.set(workload.uid, row);
    const at = row * COLUMNS;
    if (at === this.#rows.length) this.#rows = grown(this.#rows);
    writeRow(this.#rows, at, workload, this.#texts);
    return row;
  }

  finish(lists: Readonly<Record<Exclude<IndexName, 'uid'>, Lists>>): SharedArrayBuffer {
    const uids = writeIndex(
      this.#texts,
      this.#rowOf,
      (row) => [row],
      (_uid, row) => this.#rows[row * COLUMNS + COLUMN.uid] ?? 0,
    );
    const write = (name: keyof typeof lists): Uint32Array => writeIndex(this.#texts, lists[name], (rows) => rows);
    const indices = { uid: uids, address: write('address'), hostname: write('hostname'), service: write('service') };
    return assemble(this.#rows.subarray(0, this.size * COLUMNS), this.size, this.#texts, indices);
  }
}

function writeRow(rows: Uint32Array, at: number, workload: Workload, texts: TextWriter): void {
  rows[at + COLUMN.uid] = texts.add(workload.uid);
  rows[at + COLUMN.name] = texts.place(workload.name);
  rows[at + COLUMN.namespace] = texts.place(workload.namespace);
  rows[at + COLUMN.hostname] = texts.place(workload.hostname);
  rows[at + COLUMN.network] = texts.place(workload.network);
  rows[at + COLUMN.protocol] = texts.place(workload.protocol);
  rows[at + COLUMN.trustDomain] = texts.place(workload.trustDomain);
  rows[at + COLUMN.serviceAccount] = texts.place(workload.serviceAccount);
  rows[at + COLUMN.node] = texts.place(workload.node);
  rows[at + COLUMN.canonicalName] = texts.place(workload.canonicalName);
  rows[at + COLUMN.canonicalRevision] = texts.place(workload.canonicalRevision);
  rows[at + COLUMN.workloadType] = texts.place(workload.workloadType);
  rows[at + COLUMN.workloadName] = texts.place(workload.workloadName);
  rows[at + COLUMN.clusterId] = texts.place(workload.clusterId);
  rows[at + COLUMN.ips] = texts.add(JSON.stringify(workload.ips));
  rows[at + COLUMN.waypoint] = texts.part(workload.waypoint);
  rows[at + COLUMN.networkGateway] = texts.part(workload.networkGateway);
  rows[at + COLUMN.applicationTunnel] = texts.part(workload.applicationTunnel);
  rows[at + COLUMN.services] = texts.part(workload.services);
  rows[at + COLUMN.authorizationPolicies] = texts.part(workload.authorizationPolicies);
  rows[at + COLUMN.locality] = texts.part(workload.locality);
  rows[at + COLUMN.flags] =
    (workload.nativeTunnel ? NATIVE_TUNNEL : 0) +
    (workload.healthy ? HEALTHY : 0) +
    (workload.hostNetwork ? HOST_NETWORK : 0);
  rows[at + COLUMN.capacity] = Math.min(workload.capacity, MAX_CAPACITY);
}

/** Collects texts, each as UTF-8: what Protobuf, YAML and JSON give has no lone surrogates. */
class TextWriter {
  bytes = Buffer.alloc(64 * 1024);
  offsets = new Uint32Array(1024);
  count = 0;
  readonly #known = new Map<string, number>();
  /** What was seen as the same object costs no JSON again. */
  readonly #parts = new WeakMap<object, number>();

  /** The place of a text that nobody else has. */
  add(text: string): number {
    const start = this.offsets[this.count] ?? 0;
    while (start + text.length * MAX_BYTES_PER_UNIT > this.bytes.length)
      this.bytes = Buffer.concat([this.bytes], this.bytes.length * 2);
    if (this.count + 1 === this.offsets.length) this.offsets = grown(this.offsets);
    this.offsets[this.count + 1] = start + this.bytes.write(text, start);
    this.count += 1;
    return this.count - 1;
  }

  /** The place of a text that others may have. */
  place(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= REMEMBERED_TEXTS) this.#known.clear();
    const place = this.add(text);
    this.#known.set(text, place);
    return place;
  }

  /** The place of a part as JSON; an absent one is the empty text. */
  part(value: object | undefined): number {
    if (value === undefined) return this.place('');
    const known = this.#parts.get(value);
    if (known !== undefined) return known;
    const place = this.place(JSON.stringify(value));
    this.#parts.set(value, place);
    return place;
  }
}

function grown(numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}

/** Numbers of one index: mask of the table, number of keys, the table (entry + 1, 0 = free), entries (text, first, count), rows. */
function writeIndex<V>(
  texts: TextWriter,
  values: ReadonlyMap<string, V>,
  rowsOf: (value: V) => readonly number[],
  placeOf: (key: string, value: V) => number = (key) => texts.add(key),
): Uint32Array {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(values.size, 1) * 2));
  const head = new Uint32Array(2 + slots + values.size * 3);
  head[0] = slots - 1;
  head[1] = values.size;
  const rows: number[] = [];
  let entry = 0;
  for (const [key, value] of values) {
    let slot = hashOf(key) & (slots - 1);
    while (head[2 + slot] !== 0) slot = (slot + 1) & (slots - 1);
    head[2 + slot] = entry + 1;
    const at = 2 + slots + entry * 3;
    const list = rowsOf(value);
    head[at] = placeOf(key, value);
    head[at + 1] = rows.length;
    head[at + 2] = list.length;
    for (const row of list) rows.push(row);
    entry += 1;
  }
  const whole = new Uint32Array(head.length + rows.length);
  whole.set(head);
  whole.set(rows, head.length);
  return whole;
}

function assemble(
  rows: Uint32Array,
  rowCount: number,
  texts: TextWriter,
  indices: Readonly<Record<IndexName, Uint32Array>>,
): SharedArrayBuffer {
  const head = new Uint32Array(HEAD_SIZE);
  let size = HEAD_SIZE;
  const placed: (readonly [number, Uint32Array])[] = [[0, head]];
  const put = (section: Uint32Array): number => {
    const at = size;
    placed.push([at, section]);
    size += section.length;
    return at;
  };
  head[HEAD.rows] = put(rows);
  head[HEAD.rowCount] = rowCount;
  head[HEAD.offsets] = put(texts.offsets.subarray(0, texts.count + 1));
  for (const [index, name] of INDICES.entries()) head[HEAD.indices + index] = put(indices[name]);
  head[HEAD.bytes] = size;
  const end = texts.offsets[texts.count] ?? 0;
  const memory = new SharedArrayBuffer(size * 4 + end);
  const numbers = new Uint32Array(memory, 0, size);
  for (const [at, section] of placed) numbers.set(section, at);
  new Uint8Array(memory, size * 4).set(texts.bytes.subarray(0, end));
  return memory;
}
