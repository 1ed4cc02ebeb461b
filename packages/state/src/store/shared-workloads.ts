// All workloads of one generation with their indices, in memory that every thread reads. In: a snapshot (the thread that writes), or the
// memory (the others). Out: the maps of a snapshot whose records are made when somebody asks for them. Called by store.ts; any thread.
//
// The memory is written once, before any other thread hears of it, and never again: a reader needs no lock and no version. What changes
// later lies above it (layered-map.ts) until there is so much of it that the writer makes a new one. A snapshot keeps the memory it came
// from, so a reader goes on with the old one until it takes the next snapshot.
//
// A workload is a row of numbers: places of its texts and of its parts (memberships, a waypoint, ... as JSON, an equal one only once).
// An index is a hash table over texts, with a list of rows for each.

import type { Endpoint, Snapshot } from '../snapshot.ts';
import type { ShardedMap } from '../sharded-map.ts';
import type { Workload } from '../workload.ts';
import { addressKeysOf, addressRank, hostnameKey } from './index-keys.ts';
import { type FrozenMap, layeredMap } from './layered-map.ts';

/** Columns of texts, then of parts, flags and capacity. */
const COLUMN = {
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
const COLUMNS = 23;
const NATIVE_TUNNEL = 4;
const HEALTHY = 2;
const HOST_NETWORK = 1;
/** A weight of four thousand million is as good as more; those come only from a local file. */
const MAX_CAPACITY = 0xffff_ffff;

/** Numbers at the start of the memory: places of the sections, in numbers. */
const HEAD = { rows: 0, rowCount: 1, offsets: 2, bytes: 3, indices: 4 } as const;
/** Indices in the order in which their places follow. */
const INDICES = ['uid', 'address', 'hostname', 'service'] as const;
type IndexName = (typeof INDICES)[number];
const HEAD_SIZE = HEAD.indices + INDICES.length;

/** UTF-8 of a UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;
/** Texts that the writer remembers to write an equal one only once; beyond that it begins anew. */
const REMEMBERED_TEXTS = 65_536;
/** Records that a thread keeps made, twice. */
const KEPT_RECORDS = 1024;
/** Parts of records that a thread keeps made, twice. */
const KEPT_PARTS = 4096;
/** Members of services that a thread keeps made. */
const KEPT_MEMBERS = 8192;

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

/** FNV-1a over the UTF-16 units. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** The maps of a snapshot that hold workloads. */
export type WorkloadMaps = Pick<Snapshot, 'workloads' | 'workloadsByAddress' | 'workloadsByHostname' | 'endpoints'>;

/** Reads what {@link writeSharedWorkloads} wrote. One per thread and memory. */
export class SharedWorkloads {
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Uint32Array;
  readonly #bytes: Buffer;
  readonly #rows: number;
  readonly #offsets: number;
  readonly #records = new Recent<number, Workload>(KEPT_RECORDS);
  readonly #members = new Recent<string, ReadonlyMap<string, Endpoint>>(KEPT_MEMBERS, ({ size }) => size);
  readonly #parts = new Recent<number, unknown>(KEPT_PARTS);

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    const head = new Uint32Array(memory, 0, HEAD_SIZE);
    const bytes = head[HEAD.bytes] ?? 0;
    this.#rows = head[HEAD.rows] ?? 0;
    this.#offsets = head[HEAD.offsets] ?? 0;
    this.#numbers = new Uint32Array(memory, 0, bytes);
    this.#bytes = Buffer.from(memory, bytes * 4);
  }

  /** Maps for a snapshot of exactly these workloads. */
  maps(): WorkloadMaps {
    const list = (index: IndexName): ShardedMap<readonly Workload[]> =>
      this.#map(index, (key) => this.#find(index, key)?.map((row) => this.#record(row)));
    const single = (key: string, made: (row: number) => Workload): Workload | undefined => {
      const [row] = this.#find('uid', key) ?? [];
      return row === undefined ? undefined : made(row);
    };
    return {
      workloads: this.#map(
        'uid',
        (uid) => single(uid, (row) => this.#record(row)),
        (uid) => single(uid, (row) => this.#make(row)),
      ),
      workloadsByAddress: list('address'),
      workloadsByHostname: list('hostname'),
      endpoints: this.#map('service', (key) => this.#membersOf(key)),
    };
  }

  /** Workloads of a node whose uid is wanted, made for this walk only. */
  *ofNode(node: string, isWanted: (uid: string) => boolean): IterableIterator<Workload> {
    const known = new Map<number, boolean>();
    const count = this.#at(HEAD.rowCount);
    for (let row = 0; row < count; row += 1) {
      const place = this.#column(row, COLUMN.node);
      let isThere = known.get(place);
      if (isThere === undefined) known.set(place, (isThere = this.#text(place) === node));
      if (isThere && isWanted(this.#text(this.#column(row, COLUMN.uid)))) yield this.#make(row);
    }
  }

  /** `walk` makes what a walk through all values gives: remembering it would push out what is in use. */
  #map<V>(
    index: IndexName,
    get: (key: string) => V | undefined,
    walk: (key: string) => V | undefined = get,
  ): ShardedMap<V> {
    const at = this.#at(HEAD.indices + INDICES.indexOf(index));
    const count = this.#at(at + 1);
    const first = at + 3 + this.#at(at);
    const text = (place: number): string => this.#text(place);
    const number = (place: number): number => this.#at(place);
    const keys = function* (): IterableIterator<string> {
      for (let entry = 0; entry < count; entry += 1) yield text(number(first + entry * 3));
    };
    const base: FrozenMap<V> = {
      size: count,
      get,
      has: (key) => this.#entry(at, key) !== undefined,
      keys,
      *values(isWanted) {
        for (const key of keys()) {
          const value = isWanted(key) ? walk(key) : undefined;
          if (value !== undefined) yield value;
        }
      },
    };
    return layeredMap(base);
  }

  /** The rows of a key. */
  #find(index: IndexName, key: string): readonly number[] | undefined {
    const at = this.#at(HEAD.indices + INDICES.indexOf(index));
    const entry = this.#entry(at, key);
    if (entry === undefined) return undefined;
    const lists = at + 3 + this.#at(at) + this.#at(at + 1) * 3;
    const first = lists + this.#at(entry + 1);
    return [...this.#numbers.subarray(first, first + this.#at(entry + 2))];
  }

  /** Place of the entry of a key in the index at `at`. */
  #entry(at: number, key: string): number | undefined {
    const mask = this.#at(at);
    const entries = at + 3 + mask;
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#at(at + 2 + slot);
      if (entry === 0) return undefined;
      const place = entries + (entry - 1) * 3;
      if (this.#isText(this.#at(place), key)) return place;
    }
  }

  #isText(place: number, text: string): boolean {
    const start = this.#at(this.#offsets + place);
    const length = this.#at(this.#offsets + place + 1) - start;
    if (length < text.length) return false;
    for (let index = 0; index < text.length; index += 1) {
      const byte = this.#bytes[start + index] ?? 0;
      if (byte >= 0x80) return this.#text(place) === text;
      if (byte !== text.charCodeAt(index)) return false;
    }
    return length === text.length;
  }

  #text(place: number): string {
    return this.#bytes.toString('utf8', this.#at(this.#offsets + place), this.#at(this.#offsets + place + 1));
  }

  #at(place: number): number {
    return this.#numbers[place] ?? 0;
  }

  #column(row: number, column: number): number {
    return this.#at(this.#rows + row * COLUMNS + column);
  }

  #membersOf(key: string): ReadonlyMap<string, Endpoint> | undefined {
    const known = this.#members.get(key);
    if (known !== undefined) return known;
    const rows = this.#find('service', key);
    if (rows === undefined) return undefined;
    const members = new Map<string, Endpoint>();
    for (const row of rows) {
      const workload = this.#records.get(row) ?? this.#make(row);
      members.set(workload.uid, { workload, ports: workload.services[key] ?? {} });
    }
    this.#members.set(key, members);
    return members;
  }

  #record(row: number): Workload {
    const known = this.#records.get(row);
    if (known !== undefined) return known;
    const made = this.#make(row);
    this.#records.set(row, made);
    return made;
  }

  #make(row: number): Workload {
    const text = <T extends string>(column: number): T => this.#text(this.#column(row, column)) as T;
    const part = <T>(column: number): T => this.#part(this.#column(row, column)) as T;
    const flags = this.#column(row, COLUMN.flags);
    return {
      uid: text(COLUMN.uid),
      name: text(COLUMN.name),
      namespace: text(COLUMN.namespace),
      ips: JSON.parse(text(COLUMN.ips)) as Workload['ips'],
      hostname: text(COLUMN.hostname),
      network: text(COLUMN.network),
      protocol: text(COLUMN.protocol),
      trustDomain: text(COLUMN.trustDomain),
      serviceAccount: text(COLUMN.serviceAccount),
      waypoint: part(COLUMN.waypoint),
      networkGateway: part(COLUMN.networkGateway),
      node: text(COLUMN.node),
      canonicalName: text(COLUMN.canonicalName),
      canonicalRevision: text(COLUMN.canonicalRevision),
      workloadType: text(COLUMN.workloadType),
      workloadName: text(COLUMN.workloadName),
      nativeTunnel: (flags & NATIVE_TUNNEL) !== 0,
      applicationTunnel: part(COLUMN.applicationTunnel),
      services: part(COLUMN.services),
      authorizationPolicies: part(COLUMN.authorizationPolicies),
      healthy: (flags & HEALTHY) !== 0,
      clusterId: text(COLUMN.clusterId),
      locality: part(COLUMN.locality),
      hostNetwork: (flags & HOST_NETWORK) !== 0,
      capacity: this.#column(row, COLUMN.capacity),
    };
  }

  /** A part, read from its JSON once: pods of one deployment have the same. */
  #part(place: number): unknown {
    const known = this.#parts.get(place);
    if (known !== undefined) return known;
    const text = this.#text(place);
    if (text === '') return undefined;
    const made: unknown = JSON.parse(text);
    this.#parts.set(place, made);
    return made;
  }
}

/** Values that were asked for lately: when they weigh more than the limit, those of the time before are let go. */
class Recent<K, V> {
  readonly #limit: number;
  readonly #weigh: (value: V) => number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  #weight = 0;

  constructor(limit: number, weigh: (value: V) => number = () => 1) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: K, value: V): void {
    if (this.#weight >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#weight = 0;
    }
    this.#young.set(key, value);
    this.#weight += this.#weigh(value);
  }
}
